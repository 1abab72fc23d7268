//! JSON compared with the schemas in docs/.

use jsonschema::Validator;
use serde_json::Value;

use super::read_json;

/// A schema of docs/, by its file name.
pub(crate) fn read_schema(name: &str) -> Value {
    read_json(format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR")))
}

/// Each place of a value that does not fit, and why.
pub(crate) fn errors(validator: &Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Panics, with what is wrong, unless the value fits the schema, and the schema is one.
#[track_caller]
pub(crate) fn expect_fits(schema: &Value, value: &Value) {
    assert!(jsonschema::meta::is_valid(schema));
    let wrong = errors(&jsonschema::validator_for(schema).expect("a schema"), value);
    assert!(wrong.is_empty(), "{wrong:#?}\n{value:#}");
}
