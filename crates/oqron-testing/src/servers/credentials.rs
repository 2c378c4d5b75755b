use std::fmt::Write as _;

/// `text` as it may stand in the user part of a URL.
pub(super) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::percent_encoded;

    #[test]
    fn a_password_cannot_end_the_user_part_of_a_url() {
        assert_eq!(percent_encoded("p@ss:w/ö%"), "p%40ss%3Aw%2F%C3%B6%25");
    }
}
