use std::any::Any;

/// What a panic said, for the job's record.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    match said {
        Some(text) => format!("panicked: {text}"),
        None => "panicked without a text".to_owned(),
    }
}
