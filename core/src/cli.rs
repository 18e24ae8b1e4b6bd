//! kubectl and friends: text in, text out.
