//! The page at `/`, and the line that names the pages there are. Not the pages.

use std::fmt::Write as _;

use super::{Answer, Link, Pages};

/// Links to every page.
pub(super) fn landing(pages: &dyn Pages) -> Answer {
    let (title, description) = (escape(pages.title()), escape(pages.description()));
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>body {{ font-family: sans-serif; margin: 2em auto; max-width: 40em }}</style>\n\
         </head>\n<body>\n<h1>{title}</h1>\n<p>{description}</p>\n<ul>\n"
    );
    for link in pages.links() {
        let (path, words) = (escape(link.path), escape(link.description));
        // Writing to a string does not fail.
        _ = writeln!(html, "<li><a href=\"{path}\">{path}</a>: {words}</li>");
    }
    html.push_str("</ul>\n</body>\n</html>\n");
    Answer::ok("text/html; charset=utf-8", html)
}

/// What there is, for who asked for something else.
pub(super) fn not_found(links: &[Link]) -> Answer {
    let paths: Vec<_> =
        links.iter().map(|link| link.path.split('?').next().unwrap_or_default()).collect();
    Answer::line(404, format!("there is no such page; there are / {}", paths.join(" ")))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
