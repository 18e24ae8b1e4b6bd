//! Defaults of webhooks and custom resource definitions.
//! Models `pkg/apis/admissionregistration/v1/defaults.go` and apiextensions `pkg/apis/apiextensions/v1/defaults.go`.

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, RuleWithOperations, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{pointer, text};

/// The fields that both kinds of webhook have.
macro_rules! webhook {
    ($hook:expr) => {
        pointer(&mut $hook.failure_policy, "Fail".to_owned());
        pointer(&mut $hook.match_policy, "Equivalent".to_owned());
        pointer(&mut $hook.namespace_selector, LabelSelector::default());
        pointer(&mut $hook.object_selector, LabelSelector::default());
        pointer(&mut $hook.timeout_seconds, 10);
        client(&mut $hook.client_config);
        rules(&mut $hook.rules);
    };
}

fn client(config: &mut WebhookClientConfig) {
    if let Some(service) = &mut config.service {
        pointer(&mut service.port, 443);
    }
}

fn rules(rules: &mut Option<Vec<RuleWithOperations>>) {
    for rule in rules.iter_mut().flatten() {
        pointer(&mut rule.scope, "*".to_owned());
    }
}

/// A ValidatingWebhookConfiguration.
pub fn validating(configuration: &mut ValidatingWebhookConfiguration) {
    for hook in configuration.webhooks.iter_mut().flatten() {
        webhook!(hook);
    }
}

/// A MutatingWebhookConfiguration.
pub fn mutating(configuration: &mut MutatingWebhookConfiguration) {
    for hook in configuration.webhooks.iter_mut().flatten() {
        webhook!(hook);
        pointer(&mut hook.reinvocation_policy, "Never".to_owned());
    }
}

/// A CustomResourceDefinition.
pub fn custom_resource_definition(crd: &mut CustomResourceDefinition) {
    let spec = &mut crd.spec;
    let kind = spec.names.kind.clone();
    text(&mut spec.names.singular, &kind.to_lowercase());
    if spec.names.list_kind.as_deref().unwrap_or("").is_empty() && !kind.is_empty() {
        spec.names.list_kind = Some(format!("{kind}List"));
    }
    let conversion = spec.conversion.get_or_insert_default();
    if conversion.strategy.is_empty() {
        conversion.strategy = "None".to_owned();
    }
    if let Some(service) =
        conversion.webhook.as_mut().and_then(|w| w.client_config.as_mut()).and_then(|c| c.service.as_mut())
    {
        pointer(&mut service.port, 443);
    }
}
