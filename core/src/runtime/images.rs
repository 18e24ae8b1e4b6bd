//! The images that a registry would serve, and how containerd reads their names.
