//! The kubelet: runs the pods that the api-server says belong to its node. Models `pkg/kubelet`.
