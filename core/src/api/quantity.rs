//! Quantities such as `100m`, `1.5Gi` and `2e3`: parsing, exact arithmetic and canonical printing.
//! Models apimachinery `pkg/api/resource/{quantity,amount,suffix}.go`.

use std::cmp::Ordering;
use std::fmt;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

/// Which family of suffixes a quantity is printed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// `1e3`.
    DecimalExponent,
    /// `1Ki`.
    BinarySi,
    /// `1k`.
    #[default]
    DecimalSi,
}

/// Why a text is no quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantityError {
    Format,
    Numeric,
    Suffix,
}

impl fmt::Display for QuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            QuantityError::Format => {
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            }
            QuantityError::Numeric => "unable to parse numeric part of quantity",
            QuantityError::Suffix => "unable to parse quantity's suffix",
        })
    }
}

impl std::error::Error for QuantityError {}

/// An exact number `mantissa * 10^scale` and the suffix family it was written in.
///
/// Magnitudes beyond 38 digits saturate; upstream keeps those in a big integer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quantity {
    mantissa: i128,
    scale: i32,
    format: Format,
    /// Upstream holds this one as a big decimal, whose conversions overflow differently.
    big: bool,
}

/// The pieces of a quantity's text, as upstream's scanner cuts them.
struct Pieces<'a> {
    positive: bool,
    /// The whole number part with its sign and point: what the big decimal is parsed from.
    value: &'a str,
    num: &'a str,
    denom: &'a str,
    suffix: &'a str,
}

const MAX_INT64_DIGITS: i32 = 18;

fn digits_end(bytes: &[u8], from: usize) -> usize {
    from + bytes.get(from..).map_or(0, |rest| rest.iter().take_while(|b| b.is_ascii_digit()).count())
}

fn scan(s: &str) -> Result<Pieces<'_>, QuantityError> {
    let b = s.as_bytes();
    let cut = |from: usize, to: usize| s.get(from..to).unwrap_or("");
    let mut pos = 0;
    let mut positive = true;
    match b.first() {
        Some(b'-') => {
            positive = false;
            pos = 1;
        }
        Some(b'+') => pos = 1,
        _ => {}
    }
    while b.get(pos) == Some(&b'0') {
        pos += 1;
    }
    if pos >= b.len() {
        return Ok(Pieces { positive, value: "0", num: "0", denom: "", suffix: "" });
    }
    let end = digits_end(b, pos);
    let mut num = cut(pos, end);
    pos = end;
    if pos >= b.len() {
        return Ok(Pieces { positive, value: s, num, denom: "", suffix: "" });
    }
    if num.is_empty() {
        num = "0";
    }
    let mut denom = "";
    if b.get(pos) == Some(&b'.') {
        let end = digits_end(b, pos + 1);
        denom = cut(pos + 1, end);
        pos = end;
        if pos >= b.len() {
            return Ok(Pieces { positive, value: s, num, denom, suffix: "" });
        }
    }
    let value = cut(0, pos);
    let suffix_start = pos;
    while b.get(pos).is_some_and(|c| b"eEinumkKMGTP".contains(c)) {
        pos += 1;
    }
    if pos < b.len() {
        if matches!(b.get(pos), Some(b'-' | b'+')) {
            pos += 1;
        }
        if digits_end(b, pos) < b.len() {
            return Err(QuantityError::Format);
        }
    }
    Ok(Pieces { positive, value, num, denom, suffix: cut(suffix_start, b.len()) })
}

/// A suffix as (base, exponent, family).
fn interpret(suffix: &str) -> Option<(i32, i32, Format)> {
    let dec = |e| Some((10, e, Format::DecimalSi));
    let bin = |e| Some((2, e, Format::BinarySi));
    match suffix {
        "" => dec(0),
        "n" => dec(-9),
        "u" => dec(-6),
        "m" => dec(-3),
        "k" => dec(3),
        "M" => dec(6),
        "G" => dec(9),
        "T" => dec(12),
        "P" => dec(15),
        "E" => dec(18),
        "Ki" => bin(10),
        "Mi" => bin(20),
        "Gi" => bin(30),
        "Ti" => bin(40),
        "Pi" => bin(50),
        "Ei" => bin(60),
        _ => {
            let digits = suffix.strip_prefix(['e', 'E'])?;
            // Go parses 64 bits and keeps the low 32.
            let n: i64 = digits.parse().ok()?;
            Some((10, n as i32, Format::DecimalExponent))
        }
    }
}

fn pow10(n: u32) -> Option<i128> {
    10i128.checked_pow(n)
}

/// `value / 10^n`, rounded away from zero, and whether nothing was lost.
fn divide_up(value: i128, n: u32) -> (i128, bool) {
    let Some(p) = pow10(n) else { return (value.signum(), value == 0) };
    let (q, r) = (value / p, value % p);
    if r == 0 { (q, true) } else { (q + r.signum(), false) }
}

/// `value` with all factors of `base` taken out, and how many there were.
fn remove_factors(mut value: i128, base: i128) -> (i128, i32) {
    let mut times = 0;
    if value == 0 {
        return (0, 0);
    }
    if let Ok(mut small) = i64::try_from(value) {
        let base = base as i64;
        while small % base == 0 {
            small /= base;
            times += 1;
        }
        return (i128::from(small), times);
    }
    while value % base == 0 {
        value /= base;
        times += 1;
    }
    (value, times)
}

impl Quantity {
    /// Zero, of the decimal family.
    pub const ZERO: Quantity = Quantity { mantissa: 0, scale: 0, format: Format::DecimalSi, big: false };

    /// `resource.NewQuantity`.
    pub fn new(value: i64, format: Format) -> Self {
        Quantity { mantissa: i128::from(value), scale: 0, format, big: false }
    }

    /// `resource.NewMilliQuantity`.
    pub fn from_milli(value: i64, format: Format) -> Self {
        Quantity { mantissa: i128::from(value), scale: -3, format, big: false }
    }

    /// `resource.ParseQuantity`.
    pub fn parse(s: &str) -> Result<Quantity, QuantityError> {
        Ok(Self::parse_noting(s)?.0)
    }

    /// Parses, and says whether upstream would go on printing the very text it was given.
    fn parse_noting(s: &str) -> Result<(Quantity, bool), QuantityError> {
        if s.is_empty() {
            return Err(QuantityError::Format);
        }
        if s == "0" {
            return Ok((Quantity::ZERO, true));
        }
        let p = scan(s)?;
        let (base, exponent, mut format) = interpret(p.suffix).ok_or(QuantityError::Suffix)?;
        let places = p.denom.len().min(1 << 20) as i32;
        let digits = p.num.len().min(1 << 20) as i32;

        let mut scale = 0i32;
        let mut multiplier = 1i64;
        let precision = if format != Format::BinarySi {
            scale = exponent;
            MAX_INT64_DIGITS - digits - places
        } else if p.denom.is_empty() {
            multiplier = 1i64 << exponent;
            15 - digits - exponent * 3 / 10 - 1
        } else {
            -1
        };
        if precision >= 0 {
            scale = scale.saturating_sub(places);
            if scale >= -9 {
                let mut value = 0i64;
                for c in p.num.bytes().chain(p.denom.bytes()) {
                    // At most 18 digits come here.
                    value = value * 10 + i64::from(c - b'0');
                }
                if let Some(result) = value.checked_mul(multiplier) {
                    let reuse = if format == Format::BinarySi {
                        exponent % 10 == 0 && value & 7 != 0
                    } else {
                        let first = p.num.as_bytes().first();
                        scale % 3 == 0 && !ends_in_thousand(p.num, p.denom) && first != Some(&b'0')
                    };
                    let result = i128::from(if p.positive { result } else { -result });
                    return Ok((Quantity { mantissa: result, scale, format, big: false }, reuse));
                }
            }
        }

        let mut mantissa = 0i128;
        let mut scale = -places;
        let number = p.value.strip_prefix(['+', '-']).unwrap_or(p.value);
        if !number.bytes().any(|c| c.is_ascii_digit()) {
            return Err(QuantityError::Numeric);
        }
        let mut overflowed = false;
        for c in number.bytes().filter(u8::is_ascii_digit) {
            let next = if overflowed {
                None
            } else {
                mantissa.checked_mul(10).and_then(|m| m.checked_add(i128::from(c - b'0')))
            };
            match next {
                Some(m) => mantissa = m,
                None => {
                    overflowed = true;
                    scale += 1;
                }
            }
        }
        if base == 10 {
            scale = scale.saturating_add(exponent);
        } else {
            mantissa = mantissa.saturating_mul(1i128 << exponent);
        }
        if mantissa != 0 && scale < -9 {
            mantissa = divide_up(mantissa, (-9i64 - i64::from(scale)).min(1 << 20) as u32).0;
            scale = -9;
        }
        let mut q = Quantity { mantissa, scale, format, big: true };
        if format == Format::BinarySi {
            let max = Quantity::new(i64::MAX, format);
            if q.cmp(&max) == Ordering::Greater {
                q = Quantity { big: true, ..max };
            }
            if q.mantissa > 0 && q.cmp(&Quantity::new(1, format)) == Ordering::Less {
                format = Format::DecimalSi;
            }
        }
        q.format = format;
        if !p.positive {
            q.mantissa = -q.mantissa;
        }
        Ok((q, false))
    }

    /// The text that storage keeps for `s`: what decoding and encoding it gives upstream.
    pub fn canonicalize(s: &str) -> Result<String, QuantityError> {
        let trimmed = s.trim();
        let (q, reuse) = Self::parse_noting(trimmed)?;
        Ok(if reuse { trimmed.to_owned() } else { q.to_string() })
    }

    /// The quantity in an API object; an unparsable one, which decoding never lets in, is zero.
    pub fn of(q: &ApiQuantity) -> Quantity {
        Quantity::parse(&q.0).unwrap_or(Quantity::ZERO)
    }

    /// As an API object holds it.
    pub fn to_api(self) -> ApiQuantity {
        ApiQuantity(self.to_string())
    }

    /// The family it prints in.
    pub fn format(self) -> Format {
        self.format
    }

    /// Whether it is zero.
    pub fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    /// -1, 0 or 1.
    pub fn sign(self) -> i32 {
        self.mantissa.signum() as i32
    }

    /// `Value()`: in whole units, rounded away from zero.
    pub fn value(self) -> i64 {
        self.scaled_value(0)
    }

    /// `MilliValue()`: in thousandths, rounded away from zero.
    pub fn milli_value(self) -> i64 {
        self.scaled_value(-3)
    }

    /// `ScaledValue()`: in units of `10^scale`, rounded away from zero. What doesn't fit in 64 bits is what upstream
    /// makes of it: 0, or for a big decimal its low bits.
    pub fn scaled_value(self, scale: i32) -> i64 {
        let shift = i64::from(self.scale) - i64::from(scale);
        if shift == 0 {
            return self.mantissa as i64;
        }
        if shift < 0 {
            return divide_up(self.mantissa, shift.unsigned_abs().min(1 << 20) as u32).0 as i64;
        }
        if self.mantissa == 0 {
            return 0;
        }
        let scaled = pow10(shift.min(1 << 20) as u32).and_then(|p| self.mantissa.checked_mul(p));
        match scaled {
            Some(v) if self.big => v as i64,
            Some(v) => i64::try_from(v).unwrap_or(0),
            None => 0,
        }
    }

    /// `AsInt64`: the whole number it is, if upstream has it at hand without loss.
    pub fn as_i64(self) -> Option<i64> {
        if self.big || self.scale < 0 {
            return None;
        }
        i64::try_from(pow10(self.scale as u32)?.checked_mul(self.mantissa)?).ok()
    }

    /// Whether a rounding to whole units loses nothing.
    pub fn is_integer(self) -> bool {
        self.scale >= 0 || divide_up(self.mantissa, self.scale.unsigned_abs()).1
    }

    /// Whether a rounding to thousandths loses nothing.
    pub fn is_milli_exact(self) -> bool {
        self.scale >= -3 || divide_up(self.mantissa, (-3i64 - i64::from(self.scale)) as u32).1
    }

    /// `AsApproximateFloat64`. Products of a table, so every platform gives the same bits.
    pub fn as_f64(self) -> f64 {
        let mut f = self.mantissa as f64;
        let mut n = self.scale.unsigned_abs().min(400);
        let mut step = 1.0f64;
        let mut square = 10.0f64;
        while n > 0 {
            if n & 1 == 1 {
                step *= square;
            }
            square *= square;
            n >>= 1;
        }
        if self.scale < 0 {
            f /= step;
        } else {
            f *= step;
        }
        f
    }

    /// Both mantissas at the smaller of the two scales; `None` if one doesn't fit.
    fn aligned(self, other: Quantity) -> Option<(i128, i128, i32)> {
        let at = |q: Quantity, scale: i32| {
            let shift = (i64::from(q.scale) - i64::from(scale)).min(1 << 20) as u32;
            if q.mantissa == 0 { Some(0) } else { q.mantissa.checked_mul(pow10(shift)?) }
        };
        let scale = self.scale.min(other.scale);
        Some((at(self, scale)?, at(other, scale)?, scale))
    }

    /// `Add`: a zero takes over the other's family.
    #[allow(clippy::should_implement_trait)]
    pub fn add(self, other: Quantity) -> Quantity {
        let format = if self.is_zero() { other.format } else { self.format };
        let big = self.big || other.big;
        if other.is_zero() {
            return Quantity { format, big, ..self };
        }
        if self.is_zero() {
            return Quantity { format, big, ..other };
        }
        if self.scale == other.scale {
            let mantissa = self.mantissa.saturating_add(other.mantissa);
            return Quantity { mantissa, scale: self.scale, format, big };
        }
        match self.aligned(other) {
            Some((a, b, scale)) => Quantity { mantissa: a.saturating_add(b), scale, format, big },
            // One is beyond 38 digits larger than the other's last digit: the larger stands.
            None if self.scale > other.scale => Quantity { format, big, ..self },
            None => Quantity { format, big, ..other },
        }
    }

    /// `Sub`: a zero takes over the other's family.
    #[allow(clippy::should_implement_trait)]
    pub fn sub(self, other: Quantity) -> Quantity {
        self.add(other.neg())
    }

    /// `Neg`.
    #[allow(clippy::should_implement_trait)]
    pub fn neg(self) -> Quantity {
        Quantity { mantissa: self.mantissa.saturating_neg(), ..self }
    }

    /// `Mul` by a whole number.
    pub fn mul_i64(self, by: i64) -> Quantity {
        Quantity { mantissa: self.mantissa.saturating_mul(i128::from(by)), ..self }
    }

    /// Compares with a whole number.
    pub fn cmp_i64(&self, other: i64) -> Ordering {
        self.cmp(&Quantity::new(other, self.format))
    }

    /// The mantissa and exponent that decimal families print.
    fn canonical_decimal(self) -> (i128, i32) {
        let (amount, times) = remove_factors(self.mantissa, 10);
        let exponent = self.scale.saturating_add(times);
        match exponent % 3 {
            1 | -2 => (amount.saturating_mul(10), exponent - 1),
            2 | -1 => (amount.saturating_mul(100), exponent - 2),
            _ => (amount, exponent),
        }
    }

    fn rounded_units(self) -> Option<(i128, bool)> {
        if self.scale < 0 {
            Some(divide_up(self.mantissa, self.scale.unsigned_abs()))
        } else {
            pow10(self.scale as u32)?.checked_mul(self.mantissa).map(|v| (v, true))
        }
    }
}

/// Whether the digits of both parts together end in `000`.
fn ends_in_thousand(num: &str, denom: &str) -> bool {
    let mut last = num.bytes().chain(denom.bytes()).rev();
    (0..3).all(|_| last.next() == Some(b'0'))
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0");
        }
        let mut format = self.format;
        if format == Format::BinarySi {
            let small = self.cmp_i64(-1024) == Ordering::Greater && self.cmp_i64(1024) == Ordering::Less;
            match self.rounded_units() {
                Some((units, true)) if !small => {
                    let (amount, times) = remove_factors(units, 1024);
                    let suffix = match times {
                        1 => "Ki",
                        2 => "Mi",
                        3 => "Gi",
                        4 => "Ti",
                        5 => "Pi",
                        6 => "Ei",
                        _ => "",
                    };
                    return write!(f, "{amount}{suffix}");
                }
                _ => format = Format::DecimalSi,
            }
        }
        let (amount, exponent) = self.canonical_decimal();
        if format == Format::DecimalExponent {
            return if exponent == 0 { write!(f, "{amount}") } else { write!(f, "{amount}e{exponent}") };
        }
        let suffix = match exponent {
            -9 => "n",
            -6 => "u",
            -3 => "m",
            3 => "k",
            6 => "M",
            9 => "G",
            12 => "T",
            15 => "P",
            18 => "E",
            // Upstream too prints no suffix where none exists.
            _ => "",
        };
        write!(f, "{amount}{suffix}")
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        let signs = self.mantissa.signum().cmp(&other.mantissa.signum());
        if signs != Ordering::Equal || self.mantissa == 0 {
            return signs;
        }
        if self.scale == other.scale {
            return self.mantissa.cmp(&other.mantissa);
        }
        if let Some((a, b, _)) = self.aligned(*other) {
            return a.cmp(&b);
        }
        // The one whose alignment overflowed has the greater magnitude.
        let larger = if self.scale > other.scale { Ordering::Greater } else { Ordering::Less };
        if self.mantissa < 0 { larger.reverse() } else { larger }
    }
}

#[cfg(test)]
mod tests;
