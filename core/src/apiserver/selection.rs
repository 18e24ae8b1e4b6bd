//! Which objects of a kind a list or watch is about: a label and a field selector, ready to match.

use super::options::ListOptions;
use crate::api::object::Object;
use crate::api::status::Status;
use crate::api::{fields, labels};
use crate::registry::Strategy;

/// A label and a field selector, ready to match.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    labels: Option<labels::Selector>,
    fields: fields::Selector,
}

impl Selection {
    /// Parses the selectors of a list or watch. Field labels that the kind doesn't know are refused in upstream's words.
    pub fn parse(strategy: &dyn Strategy, o: &ListOptions) -> Result<Self, Status> {
        let mut selection = Selection::default();
        if !o.label_selector.is_empty() {
            let parsed = labels::Selector::parse(&o.label_selector).map_err(Status::bad_request)?;
            selection.labels = (!parsed.is_empty()).then_some(parsed);
        }
        if !o.field_selector.is_empty() {
            let parsed = fields::Selector::parse(&o.field_selector).map_err(Status::bad_request)?;
            selection.fields = parsed
                .transform(|field, value| convert(strategy, field).map(|f| (f.to_owned(), value.to_owned())))
                .map_err(Status::bad_request)?;
        }
        Ok(selection)
    }

    /// Whether everything matches.
    pub fn is_everything(&self) -> bool {
        self.labels.is_none() && self.fields.is_empty()
    }

    /// The value that `field` must have, if the selector says so.
    pub fn exact_field(&self, field: &str) -> Option<&str> {
        self.fields.requires_exact_match(field)
    }

    /// Whether an object matches.
    pub fn matches(&self, strategy: &dyn Strategy, o: &dyn Object) -> bool {
        self.labels.as_ref().is_none_or(|l| l.matches_meta(o.meta()))
            && self.fields.terms().iter().all(|t| {
                let have = strategy.field(o, &t.field).unwrap_or_default();
                (have == t.value.as_str()) == t.equal
            })
    }
}

/// Models the field label conversions of `pkg/apis/*/v1/conversion.go` and apimachinery's default one.
fn convert<'a>(strategy: &dyn Strategy, field: &'a str) -> Result<&'a str, String> {
    let info = strategy.info();
    // Kinds of no namespace that name their fields leave that one out.
    let known = info.namespaced || strategy.selectable_fields().is_empty();
    if field == "metadata.name"
        || (field == "metadata.namespace" && known)
        || strategy.selectable_fields().contains(&field)
    {
        return Ok(field);
    }
    if info.group.is_empty() && info.resource == "pods" && field == "spec.host" {
        return Ok("spec.nodeName");
    }
    Err(match (info.group, strategy.selectable_fields().is_empty()) {
        (_, true) => format!(
            "{} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
            crate::api::field::quote(field)
        ),
        ("batch", false) => {
            format!("field label {} not supported for {}", crate::api::field::quote(field), info.kind)
        }
        ("resource.k8s.io", false) => {
            format!("field label not supported for {}/{}, Kind={}: {field}", info.group, info.version, info.kind)
        }
        _ => format!("field label not supported: {field}"),
    })
}
