//! kube-scheduler: decides which node a pod goes to. Models `pkg/scheduler`.
