//! Label selectors.
//! Models apimachinery `pkg/apis/meta/v1/validation/validation.go` (ValidateLabelSelector).

use super::prelude::*;

/// Upstream's `ValidateLabelSelector`; an absent selector is sound.
pub(crate) fn validate(selector: Option<&LabelSelector>, path: &Path, errs: &mut ErrorList) {
    let Some(selector) = selector else { return };
    names::labels(&selector.match_labels, &path.child("matchLabels"), errs);
    let expressions = path.child("matchExpressions");
    for (i, r) in list(&selector.match_expressions).iter().enumerate() {
        let at = expressions.index(i);
        let values = list(&r.values);
        match r.operator.as_str() {
            "In" | "NotIn" if values.is_empty() => {
                errs.push(Error::required(&at.child("values"), "must be specified when `operator` is 'In' or 'NotIn'"))
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => errs.push(Error::forbidden(
                &at.child("values"),
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            )),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => {
                errs.push(Error::invalid_str(&at.child("operator"), other, "not a valid selector operator"));
            }
        }
        names::label_name(&r.key, &at.child("key"), errs);
        let values_path = at.child("values");
        for (j, value) in values.iter().enumerate() {
            invalid_each(names::label_value_messages(value), value, &values_path.index(j), errs);
        }
    }
}

/// Whether the selector selects everything: it has no requirement at all.
pub(crate) fn is_empty(selector: &LabelSelector) -> bool {
    selector.match_labels.as_ref().is_none_or(|m| m.is_empty()) && list(&selector.match_expressions).is_empty()
}

/// Whether `LabelSelectorAsSelector` would refuse it.
pub(crate) fn is_unusable(selector: &LabelSelector) -> bool {
    let bad_labels = entries(&selector.match_labels)
        .any(|(k, v)| !names::qualified_name_messages(k).is_empty() || !names::label_value_messages(v).is_empty());
    bad_labels
        || list(&selector.match_expressions).iter().any(|r| {
            let values = list(&r.values);
            let arity = match r.operator.as_str() {
                "In" | "NotIn" => !values.is_empty(),
                "Exists" | "DoesNotExist" => values.is_empty(),
                _ => false,
            };
            !arity
                || !names::qualified_name_messages(&r.key).is_empty()
                || values.iter().any(|v| !names::label_value_messages(v).is_empty())
        })
}

/// Whether the selector matches the labels; an unusable one matches nothing.
pub(crate) fn matches(selector: &LabelSelector, labels: &Option<std::collections::BTreeMap<String, String>>) -> bool {
    if !entries(&selector.match_labels).all(|(k, v)| entry(labels, k) == Some(v)) {
        return false;
    }
    list(&selector.match_expressions).iter().all(|r| {
        let value = entry(labels, &r.key);
        let values = list(&r.values);
        match r.operator.as_str() {
            "In" => value.is_some_and(|v| values.contains(v)),
            "NotIn" => value.is_none_or(|v| !values.contains(v)),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    })
}
