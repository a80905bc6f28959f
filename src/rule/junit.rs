//! Verdicts on cases as JUnit XML, the form that build servers read.

use std::fmt::Write as _;

use super::case::Verdict;

/// The report: a suite for each file.
#[must_use]
pub fn junit(files: &[(String, Vec<Verdict>)]) -> String {
    let count = |verdicts: &[Verdict]| {
        (verdicts.len(), verdicts.iter().filter(|v| !v.differences.is_empty()).count())
    };
    let (mut tests, mut failures) = (0, 0);
    for (_, verdicts) in files {
        let (of, failed) = count(verdicts);
        (tests, failures) = (tests + of, failures + failed);
    }
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        xml,
        "<testsuites name=\"retain test\" tests=\"{tests}\" failures=\"{failures}\">"
    );
    for (file, verdicts) in files {
        let (of, failed) = count(verdicts);
        let name = escaped(file);
        let _ = writeln!(xml, "  <testsuite name=\"{name}\" tests=\"{of}\" failures=\"{failed}\">");
        for verdict in verdicts {
            case(&mut xml, file, verdict);
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn case(xml: &mut String, file: &str, verdict: &Verdict) {
    let head = format!(
        "    <testcase classname=\"{}\" name=\"{}\" line=\"{}\"",
        escaped(file),
        escaped(&verdict.name),
        verdict.line
    );
    let Some(first) = verdict.differences.first() else {
        let _ = writeln!(xml, "{head}/>");
        return;
    };
    let first = escaped(&first.line_text());
    let _ = writeln!(xml, "{head}>\n      <failure message=\"{first}\">");
    for difference in &verdict.differences {
        for line in difference.render(file).lines() {
            let _ = writeln!(xml, "{}", escaped(line));
        }
    }
    xml.push_str("      </failure>\n    </testcase>\n");
}

/// Text for XML 1.0, in content and in double quotes; what XML cannot say becomes `?`.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\r' | '\t' => safe.push(' '),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => safe.push('?'),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::difference::Difference;

    #[test]
    fn a_report_says_which_failed_and_stays_xml() {
        let verdict = |name: &str, differences: &[(usize, &str, &str)]| Verdict {
            name: name.to_owned(),
            line: 3,
            differences: differences
                .iter()
                .map(|(line, expected, got)| Difference {
                    line: *line,
                    expected: (*expected).to_owned(),
                    got: (*got).to_owned(),
                })
                .collect(),
        };
        let failed = [(7, "\u{1} < 1", "2"), (9, "second", "nothing")];
        let files =
            [("a<b>.toml".to_owned(), vec![verdict("fine", &[]), verdict("x & \"y\"", &failed)])];
        assert_eq!(
            junit(&files),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuites name=\"retain test\" tests=\"2\" failures=\"1\">\n\
             \x20 <testsuite name=\"a&lt;b&gt;.toml\" tests=\"2\" failures=\"1\">\n\
             \x20   <testcase classname=\"a&lt;b&gt;.toml\" name=\"fine\" line=\"3\"/>\n\
             \x20   <testcase classname=\"a&lt;b&gt;.toml\" name=\"x &amp; &quot;y&quot;\" line=\"3\">\n\
             \x20     <failure message=\"expected ? &lt; 1, got 2\">\n\
             a&lt;b&gt;.toml:7:\n\
             \x20   expected ? &lt; 1\n\
             \x20   got      2\n\
             a&lt;b&gt;.toml:9:\n\
             \x20   expected second\n\
             \x20   got      nothing\n\
             \x20     </failure>\n    </testcase>\n  </testsuite>\n</testsuites>\n"
        );
    }
}
