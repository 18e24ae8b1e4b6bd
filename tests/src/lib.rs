//! Scenario, client and browser tests.
