//! kube-controller-manager: control loops, one folder a controller. Models upstream's `pkg/controller`.
