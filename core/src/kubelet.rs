//! The kubelet: runs the pods that the api-server says belong to its node. Models `pkg/kubelet`.
pub fn start(
    _: &crate::cluster::ComponentContext,
    _: &std::rc::Rc<crate::cluster::Machine>,
    _: &std::rc::Rc<crate::runtime::Containerd>,
) {
}
