//! Recording and replay: a session is a seed and a list of timed inputs.
