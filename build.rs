//! Makes the fixed parts of the page that `tcpcong report` writes: fetches what draws its charts,
//! and joins its scripts. Not here: what a recording puts into it, which is `src/view/page`.

#[cfg(feature = "page")]
mod page {
    use std::error::Error;
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::{env, fs};

    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use sha2::{Digest as _, Sha256};

    /// In the order in which they are read.
    const SCRIPTS: [&str; 10] = [
        "data.js",
        "words.js",
        "raster.js",
        "view.js",
        "bands.js",
        "pointing.js",
        "table.js",
        "detail.js",
        "sums.js",
        "page.js",
    ];
    /// Of the package uPlot.
    const FETCHED: [&str; 3] = ["dist/uPlot.iife.min.js", "dist/uPlot.min.css", "LICENSE"];

    pub(super) fn make() -> Result<(), Box<dyn Error>> {
        let out = PathBuf::from(env::var("OUT_DIR")?);
        let [charts, charts_style, licence] = fetch(&out.join("npm"))?;
        let read = |name: &str| fs::read_to_string(Path::new("web").join(name));
        let own: Vec<_> = SCRIPTS.into_iter().map(read).collect::<Result<_, _>>()?;
        let script = format!("{charts}\n(() => {{\n\"use strict\";\n{}}})();\n", own.concat());
        let style = format!("{charts_style}\n{}", read("style.css")?);
        // Nothing but these two texts is run or applied, and nothing is fetched.
        let policy = format!(
            "default-src 'none'; script-src '{}'; style-src '{}'; base-uri 'none'; form-action 'none'",
            source(&script),
            source(&style)
        );
        for (name, text) in
            [("script", script), ("style", style), ("licence", licence), ("policy", policy)]
        {
            fs::write(out.join(name), text)?;
        }
        Ok(())
    }

    /// The package's files, fetched into `folder` as package-lock.json says, once.
    fn fetch(folder: &Path) -> Result<[String; 3], Box<dyn Error>> {
        let package = folder.join("node_modules/uplot");
        let lock = fs::read("web/package-lock.json")?;
        let kept = folder.join("package-lock.json");
        let is_there = fs::read(&kept).is_ok_and(|kept| kept == lock)
            && FETCHED.iter().all(|file| package.join(file).is_file());
        if !is_there {
            fs::create_dir_all(folder)?;
            fs::copy("web/package.json", folder.join("package.json"))?;
            // The lock comes last where it counts as done, and npm wants it first.
            fs::write(&kept, &lock)?;
            if let Err(why) = npm(folder) {
                fs::remove_file(&kept)?;
                return Err(why.into());
            }
        }
        let [charts, style, licence] = FETCHED.map(|file| fs::read_to_string(package.join(file)));
        Ok([charts?, style?, licence?])
    }

    fn npm(folder: &Path) -> Result<(), String> {
        const WITHOUT: &str = "or build with --no-default-features, without `tcpcong report`";
        let run = Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(folder)
            .output();
        match run {
            Err(why) => Err(format!(
                "npm, which fetches what draws the charts of `tcpcong report`, does not start \
                 ({why}): install it (apt, dnf, pacman: npm), {WITHOUT}"
            )),
            Ok(run) if run.status.success() => Ok(()),
            Ok(run) => {
                let said = String::from_utf8_lossy(&run.stderr);
                let said: Vec<_> = said.lines().map(str::trim).collect();
                Err(format!(
                    "`npm ci` in {} failed: {}; see to that, {WITHOUT}",
                    folder.display(),
                    said.join(" ")
                ))
            }
        }
    }

    /// A text as a Content-Security-Policy names it (CSP level 3, 2.3.1).
    fn source(text: &str) -> String {
        format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
    }
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=web");
    #[cfg(feature = "page")]
    if let Err(why) = page::make() {
        println!("cargo::error={why}");
        std::process::exit(1);
    }
}
