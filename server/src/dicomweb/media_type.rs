//! Media types with parameters (RFC 9110 section 8.3.1), as `Content-Type` and `Accept` hold them.

/// `type/subtype; name=value`, names and type in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    pub essence: String,
    parameters: Vec<(String, String)>,
}

impl MediaType {
    /// Reads one media type; `None` where it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = split_outside_quotes(text, ';').into_iter();
        let essence = parts.next()?.trim().to_ascii_lowercase();
        let (kind, subtype) = essence.split_once('/')?;
        if kind.is_empty() || subtype.is_empty() {
            return None;
        }
        let parameters = parts
            .filter_map(|part| {
                let (name, value) = part.split_once('=')?;
                Some((name.trim().to_ascii_lowercase(), unquoted(value.trim())))
            })
            .collect();
        Some(Self { essence, parameters })
    }

    /// Reads a list, as `Accept` holds it; what is not a media type is passed over.
    pub fn parse_list(text: &str) -> Vec<Self> {
        split_outside_quotes(text, ',')
            .into_iter()
            .filter_map(Self::parse)
            .collect()
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

fn split_outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(|character| {
        if escaped {
            escaped = false;
            return false;
        }
        match character {
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        !quoted && character == separator
    })
    .collect()
}

fn unquoted(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return text.to_owned();
    };
    let mut escaped = false;
    inner
        .chars()
        .filter(|character| {
            escaped = *character == '\\' && !escaped;
            !escaped
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_with_and_without_quotes() {
        let media = MediaType::parse(r#"Multipart/Related; type="application/dicom" ; Boundary="a;b\"c""#).unwrap();
        assert_eq!(media.essence, "multipart/related");
        assert_eq!(media.parameter("type"), Some("application/dicom"));
        assert_eq!(media.parameter("boundary"), Some("a;b\"c"));
        assert_eq!(media.parameter("charset"), None);
    }

    #[test]
    fn what_is_no_media_type_is_none() {
        for wrong in ["", "multipart", "/related", "multipart/", ";"] {
            assert_eq!(MediaType::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_list_keeps_its_order() {
        let list = MediaType::parse_list(r#"multipart/related; type="application/dicom", nonsense, */*;q=0.1"#);
        let names: Vec<_> = list.iter().map(|media| media.essence.as_str()).collect();
        assert_eq!(names, ["multipart/related", "*/*"]);
    }
}
