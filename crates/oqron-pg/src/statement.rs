//! Statements: a `.sql` file, the types of its parameters, and how it becomes text for a schema.

use tokio_postgres::types::Type;

/// Parts that several statements include. One that includes another stands before it.
const PARTS: [(&str, &str); 3] = [
    ("--include stall", include_str!("sql/consume/stall.sql")),
    ("--include end", include_str!("sql/shared/end.sql")),
    ("--include remember", include_str!("sql/shared/remember.sql")),
];

/// One statement. With the types given, it needs no round trip that asks the server for them.
pub(crate) struct Statement {
    pub(crate) text: &'static str,
    pub(crate) types: &'static [Type],
}

/// `statement!(NAME, "file.sql", [TYPE, …])`
macro_rules! statement {
    ($name:ident, $file:literal, [$($kind:ident),* $(,)?]) => {
        pub(crate) static $name: $crate::statement::Statement = $crate::statement::Statement {
            text: include_str!($file),
            types: &[$(tokio_postgres::types::Type::$kind),*],
        };
    };
}
pub(crate) use statement;

/// The text with its parts, for a schema. Files name the schema `oqron`.
pub(crate) fn for_schema(text: &str, schema: &str) -> String {
    let mut text = text.to_owned();
    for (mark, part) in PARTS {
        text = text.replace(mark, part);
    }
    text.replace("oqron.", &format!("\"{schema}\"."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_named_and_parts_are_included() {
        let text = for_schema(
            "/* oqron:x:y */ with gone as (select 1), --include end\nselect oqron.now_ms()",
            "jobs",
        );
        assert!(
            text.contains("/* oqron:x:y */") && text.contains("\"jobs\".now_ms()"),
            "{text}"
        );
        assert!(
            text.contains("insert into \"jobs\".finished") && !text.contains("--include"),
            "{text}"
        );
    }
}
