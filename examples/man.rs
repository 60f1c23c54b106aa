//! Prints the man page, made from the definitions behind `--help`.
//! `make man` writes `man/tcpcong.8` with it, and a test holds the two equal.

fn main() -> std::io::Result<()> {
    let page = clap_mangen::Man::new(tcpcong::cli::definition()).section("8");
    page.render(&mut std::io::stdout())
}
