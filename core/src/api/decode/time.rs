//! Times as Go parses them, with its error texts.
//! Models Go's `time.Parse` of RFC 3339, and metav1's `time.go` and `micro_time.go`.

use jiff::Timestamp;

use crate::api::field::quote;

struct Parser<'a> {
    layout: &'static str,
    all: &'a str,
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn fail<T>(&self, element: &str) -> Result<T, String> {
        Err(format!(
            "parsing time {} as {}: cannot parse {} as {}",
            quote(self.all),
            quote(self.layout),
            quote(self.rest),
            quote(element)
        ))
    }

    fn out_of_range<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("parsing time {}: {what} out of range", quote(self.all)))
    }

    fn take(&mut self, n: usize) -> Option<&'a str> {
        let head = self.rest.get(..n)?;
        self.rest = self.rest.get(n..)?;
        Some(head)
    }

    fn number(&mut self, digits: usize, element: &str) -> Result<i64, String> {
        match self.rest.get(..digits) {
            Some(d) if d.bytes().all(|c| c.is_ascii_digit()) => {
                self.take(digits);
                Ok(d.parse().unwrap_or(0))
            }
            _ => self.fail(element),
        }
    }

    fn literal(&mut self, text: &'static str) -> Result<(), String> {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => self.fail(text),
        }
    }

    /// Digits after the seconds, as nanoseconds.
    fn fraction(&mut self) -> i32 {
        let Some(rest) = self.rest.strip_prefix(['.', ',']) else { return 0 };
        let n = rest.bytes().take_while(u8::is_ascii_digit).count();
        let Some(digits) = rest.get(..n).filter(|d| !d.is_empty()) else { return 0 };
        self.rest = rest.get(n..).unwrap_or("");
        let nine: String = digits.chars().chain("000000000".chars()).take(9).collect();
        nine.parse().unwrap_or(0)
    }

    fn zone(&mut self) -> Result<i64, String> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(0);
        }
        let bytes = self.rest.as_bytes();
        let digit = |i: usize| bytes.get(i).filter(|c| c.is_ascii_digit()).map(|c| i64::from(c - b'0'));
        let sign = match bytes.first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return self.fail("Z07:00"),
        };
        let parts = (digit(1), digit(2), bytes.get(3), digit(4), digit(5));
        let (Some(a), Some(b), Some(b':'), Some(c), Some(d)) = parts else { return self.fail("Z07:00") };
        let (hours, minutes) = (a * 10 + b, c * 10 + d);
        if hours > 24 {
            return self.out_of_range("time zone offset hour");
        }
        if minutes > 60 {
            return self.out_of_range("time zone offset minute");
        }
        self.take(6);
        Ok(sign * (hours * 3600 + minutes * 60))
    }
}

fn parse(text: &str, layout: &'static str) -> Result<Timestamp, String> {
    let mut p = Parser { layout, all: text, rest: text };
    let micro = layout.contains('.');
    let year = p.number(4, "2006")?;
    p.literal("-")?;
    let month = p.number(2, "01")?;
    if !(1..=12).contains(&month) {
        return p.out_of_range("month");
    }
    p.literal("-")?;
    let day = p.number(2, "02")?;
    p.literal("T")?;
    let hour = p.number(2, "15")?;
    if hour > 23 {
        return p.out_of_range("hour");
    }
    p.literal(":")?;
    let minute = p.number(2, "04")?;
    if minute > 59 {
        return p.out_of_range("minute");
    }
    p.literal(":")?;
    let second = p.number(2, "05")?;
    if second > 59 {
        return p.out_of_range("second");
    }
    let nanos = if micro {
        // Go wants exactly the six digits that the layout has.
        let digits =
            p.rest.strip_prefix(['.', ',']).and_then(|r| r.get(..6)).filter(|d| d.bytes().all(|c| c.is_ascii_digit()));
        let Some(digits) = digits else { return p.fail(".000000") };
        p.take(7);
        digits.parse::<i32>().unwrap_or(0) * 1000
    } else {
        p.fraction()
    };
    let offset = p.zone()?;
    if !p.rest.is_empty() {
        return Err(format!("parsing time {}: extra text: {}", quote(text), quote(p.rest)));
    }
    let date = jiff::civil::Date::new(year as i16, month as i8, day as i8);
    let Ok(date) = date else { return p.out_of_range("day") };
    let time = date.at(hour as i8, minute as i8, second as i8, nanos);
    let zoned = jiff::tz::TimeZone::UTC.to_timestamp(time).ok();
    zoned
        .and_then(|t| t.checked_sub(jiff::SignedDuration::from_secs(offset)).ok())
        .map_or_else(|| p.out_of_range("year"), Ok)
}

/// A metav1.Time: whole seconds are kept.
pub fn parse_rfc3339(text: &str) -> Result<Timestamp, String> {
    let t = parse(text, "2006-01-02T15:04:05Z07:00")?;
    Ok(Timestamp::from_second(t.as_nanosecond().div_euclid(1_000_000_000) as i64).unwrap_or(t))
}

/// A time with whatever parts of a second it has.
pub fn parse_rfc3339_nano(text: &str) -> Result<Timestamp, String> {
    parse(text, "2006-01-02T15:04:05Z07:00")
}

/// A metav1.MicroTime.
pub fn parse_rfc3339_micro(text: &str) -> Result<Timestamp, String> {
    parse(text, "2006-01-02T15:04:05.000000Z07:00")
}

/// As metav1.Time prints.
pub fn show_seconds(t: Timestamp) -> String {
    t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// As metav1.MicroTime prints.
pub(super) fn show_micros(t: Timestamp) -> String {
    t.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
