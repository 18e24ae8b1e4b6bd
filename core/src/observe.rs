//! What the page sees: compact frames of changes, made from the cluster's state and trace.
