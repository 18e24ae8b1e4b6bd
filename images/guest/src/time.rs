//! The clock, and calendars without time zones.

use crate::{sys, task};

/// A second in nanoseconds.
pub const SECOND: u64 = 1_000_000_000;

/// Nanoseconds since 1970.
pub fn now() -> u64 {
    let mut now = 0;
    unsafe { sys::now(&mut now) };
    now
}

/// Waits for some nanoseconds.
pub async fn sleep(ns: u64) {
    let at = now().saturating_add(ns);
    while now() < at {
        task::timer(at).await;
    }
}

/// A moment's date and time of day.
pub struct Date {
    pub year: u64,
    pub month: usize,
    pub day: u64,
    pub hour: u64,
    pub minute: u64,
    pub second: u64,
    /// 0 is Sunday.
    pub weekday: usize,
}

pub const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
pub const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

impl Date {
    /// The date of now.
    pub fn now() -> Self {
        Self::of(now() / SECOND)
    }

    /// The date of some seconds after 1970.
    pub fn of(seconds: u64) -> Self {
        let days = seconds / 86_400;
        let rest = seconds % 86_400;
        // Days since 1 March of year 0, in eras of 400 years.
        let shifted = days + 719_468;
        let day_of_era = shifted % 146_097;
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Date {
            year: year_of_era + shifted / 146_097 * 400 + u64::from(month <= 2),
            month: month as usize,
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
            hour: rest / 3_600,
            minute: rest % 3_600 / 60,
            second: rest % 60,
            weekday: ((days + 4) % 7) as usize,
        }
    }

    pub fn month_name(&self) -> &'static str {
        MONTHS.get(self.month.wrapping_sub(1)).copied().unwrap_or("Jan")
    }

    pub fn weekday_name(&self) -> &'static str {
        WEEKDAYS.get(self.weekday).copied().unwrap_or("Sun")
    }

    /// As HTTP has it: `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub fn http(&self) -> String {
        format!(
            "{}, {:02} {} {} {:02}:{:02}:{:02} GMT",
            self.weekday_name(),
            self.day,
            self.month_name(),
            self.year,
            self.hour,
            self.minute,
            self.second
        )
    }
}
