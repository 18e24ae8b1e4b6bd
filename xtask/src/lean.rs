//! Scripts and styles without what only their readers need: comments that have lines of their own, empty lines, indentation.

use std::path::Path;

/// A file of the page as it is shipped. What isn't a script or a style, or has a text of several lines, stays as it is.
pub fn lean(name: &Path, bytes: &[u8]) -> Vec<u8> {
    let text = name.extension().filter(|e| *e == "js" || *e == "css").and_then(|_| std::str::from_utf8(bytes).ok());
    text.and_then(without_remarks).map_or_else(|| bytes.to_vec(), String::into_bytes)
}

fn without_remarks(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut within = false;
    for line in text.lines().map(str::trim) {
        let mut kept = line;
        if within || kept.starts_with("/*") {
            let end = kept.find("*/");
            within = end.is_none();
            kept = end.and_then(|end| kept.get(end + 2..)).unwrap_or_default().trim_start();
        }
        if kept.is_empty() || kept.starts_with("//") {
            continue;
        }
        // A text that goes on in the next line has lines that are no lines of the script.
        if kept.matches('`').count() % 2 != 0 {
            return None;
        }
        out.push_str(kept);
        out.push('\n');
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_remarks_and_indentation_go() {
        let lean =
            |name: &str, text: &str| String::from_utf8(lean(Path::new(name), text.as_bytes())).unwrap_or_default();
        let cases = [
            (
                "a.js",
                "// why\nconst a = 1; // stays\n\n    /** what\n     * it is\n     */\n    b(`x`);\n",
                "const a = 1; // stays\nb(`x`);\n",
            ),
            ("a.css", "/* one */ a { b: c; }\n/* two\n*/ d { }\n", "a { b: c; }\nd { }\n"),
            ("a.js", "const url = \"http://x\";\n", "const url = \"http://x\";\n"),
            // Here a line is part of a text.
            ("a.js", "// why\nf(`one\n    two`);\n", "// why\nf(`one\n    two`);\n"),
            ("a.html", "  <!-- why -->\n", "  <!-- why -->\n"),
        ];
        for (name, text, wanted) in cases {
            assert_eq!(lean(name, text), wanted, "{text}");
        }
    }
}
