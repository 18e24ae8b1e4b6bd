//! Which class is meant by an object that names none. Models `pkg/volume/util/storageclass.go` and its twin in
//! `plugin/pkg/admission/network/defaultingressclass`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The class whose annotations say that it is the default: the newest, if several do, and the first by name of those made at once.
pub(super) fn newest<'a>(classes: impl Iterator<Item = &'a ObjectMeta>, marks: &[&str]) -> Option<String> {
    let is_default = |class: &&ObjectMeta| {
        let annotations = class.annotations.as_ref();
        annotations.is_some_and(|a| marks.iter().any(|mark| a.get(*mark).is_some_and(|v| v == "true")))
    };
    let made = |class: &ObjectMeta| class.creation_timestamp.as_ref().map(|t| t.0);
    let newest = classes.filter(is_default).min_by(|a, b| made(b).cmp(&made(a)).then_with(|| a.name.cmp(&b.name)));
    newest?.name.clone()
}
