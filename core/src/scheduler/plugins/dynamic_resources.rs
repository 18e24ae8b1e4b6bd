//! Devices by claim. No pod here has claims of that kind yet; what is modelled is the plugin's say in PostFilter.
//! Models kube-scheduler `plugins/dynamicresources`.

use crate::scheduler::framework::plugin::{Plugin, PostFilter, PostFilterContext, PostFilterResult};
use crate::scheduler::framework::pod_info::PodInfo;
use crate::scheduler::framework::status::{Code, Status};

pub const NAME: &str = "DynamicResources";
/// There is no claim whose release would help.
pub const REASON_NOTHING_TO_DEALLOCATE: &str = "no new claims to deallocate";

pub struct DynamicResources;

impl Plugin for DynamicResources {
    fn name(&self) -> &'static str {
        NAME
    }
}

impl PostFilter for DynamicResources {
    fn post_filter(&self, _: &mut PostFilterContext, _: &PodInfo) -> (Option<PostFilterResult>, Status) {
        (None, Status::new(Code::Unschedulable, REASON_NOTHING_TO_DEALLOCATE))
    }
}
