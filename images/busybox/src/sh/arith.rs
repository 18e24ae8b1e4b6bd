//! `$((..))`: whole numbers, the usual operators, and assignment.

use std::collections::BTreeMap;

use super::Variable;

const LEVELS: &[&[&str]] = &[
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];

struct Reader<'a> {
    rest: &'a str,
    variables: &'a mut BTreeMap<String, Variable>,
    depth: u32,
}

/// The value of an expression.
pub(super) fn evaluate(text: &str, variables: &mut BTreeMap<String, Variable>) -> Result<i64, String> {
    let mut reader = Reader { rest: text, variables, depth: 0 };
    if text.trim().is_empty() {
        return Ok(0);
    }
    let value = reader.assignment()?;
    if reader.rest.trim().is_empty() { Ok(value) } else { Err("syntax error".to_owned()) }
}

impl Reader<'_> {
    fn eat(&mut self, text: &str) -> bool {
        self.rest = self.rest.trim_start();
        let Some(rest) = self.rest.strip_prefix(text) else { return false };
        // `<` isn't the beginning of `<<`, nor `&` of `&&`.
        let doubled =
            text.len() == 1 && "<>&|=".contains(text) && rest.starts_with([text.chars().next().unwrap_or(' '), '=']);
        if doubled {
            return false;
        }
        self.rest = rest;
        true
    }

    fn name(&mut self) -> Option<String> {
        self.rest = self.rest.trim_start();
        let length = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let name = &self.rest[..length];
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        self.rest = &self.rest[length..];
        Some(name.to_owned())
    }

    fn value(&self, name: &str) -> i64 {
        self.variables.get(name).and_then(|variable| variable.value.trim().parse().ok()).unwrap_or(0)
    }

    fn assignment(&mut self) -> Result<i64, String> {
        self.depth += 1;
        if self.depth > 50 {
            return Err("expression too deep".to_owned());
        }
        let before = self.rest;
        if let Some(name) = self.name() {
            for operator in ["=", "+=", "-=", "*=", "/=", "%="] {
                let found = if operator == "=" {
                    self.eat("=")
                } else {
                    self.rest = self.rest.trim_start();
                    self.rest.strip_prefix(operator).map(|rest| self.rest = rest).is_some()
                };
                if found {
                    let right = self.assignment()?;
                    let left = self.value(&name);
                    let value = if operator == "=" { right } else { apply(&operator[..1], left, right)? };
                    self.variables.entry(name).or_default().value = value.to_string();
                    self.depth -= 1;
                    return Ok(value);
                }
            }
            self.rest = before;
        }
        let value = self.ternary();
        self.depth -= 1;
        value
    }

    fn ternary(&mut self) -> Result<i64, String> {
        let condition = self.binary(0)?;
        if !self.eat("?") {
            return Ok(condition);
        }
        let yes = self.assignment()?;
        if !self.eat(":") {
            return Err("syntax error".to_owned());
        }
        let no = self.assignment()?;
        Ok(if condition != 0 { yes } else { no })
    }

    fn binary(&mut self, level: usize) -> Result<i64, String> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = operators.iter().find(|operator| self.eat(operator)) {
            let right = self.binary(level + 1)?;
            left = apply(operator, left, right)?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<i64, String> {
        self.depth += 1;
        if self.depth > 50 {
            return Err("expression too deep".to_owned());
        }
        let value = self.operand();
        self.depth -= 1;
        value
    }

    fn operand(&mut self) -> Result<i64, String> {
        for (operator, delta) in [("++", 1), ("--", -1)] {
            if self.eat(operator) {
                let name = self.name().ok_or("syntax error")?;
                let value = self.value(&name).wrapping_add(delta);
                self.variables.entry(name).or_default().value = value.to_string();
                return Ok(value);
            }
        }
        if self.eat("-") {
            return Ok(self.unary()?.wrapping_neg());
        }
        if self.eat("+") {
            return self.unary();
        }
        if self.eat("!") {
            return Ok(i64::from(self.unary()? == 0));
        }
        if self.eat("~") {
            return Ok(!self.unary()?);
        }
        if self.eat("(") {
            let value = self.assignment()?;
            return if self.eat(")") { Ok(value) } else { Err("syntax error".to_owned()) };
        }
        if let Some(name) = self.name() {
            let value = self.value(&name);
            for (operator, delta) in [("++", 1), ("--", -1)] {
                if self.eat(operator) {
                    self.variables.entry(name).or_default().value = value.wrapping_add(delta).to_string();
                    return Ok(value);
                }
            }
            return Ok(value);
        }
        self.rest = self.rest.trim_start();
        let length = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let digits = &self.rest[..length];
        self.rest = &self.rest[length..];
        let value = match digits.strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(hex, 16),
            None => digits.parse(),
        };
        value.map_err(|_| "syntax error".to_owned())
    }
}

fn apply(operator: &str, left: i64, right: i64) -> Result<i64, String> {
    Ok(match operator {
        "||" => i64::from(left != 0 || right != 0),
        "&&" => i64::from(left != 0 && right != 0),
        "|" => left | right,
        "^" => left ^ right,
        "&" => left & right,
        "==" => i64::from(left == right),
        "!=" => i64::from(left != right),
        "<=" => i64::from(left <= right),
        ">=" => i64::from(left >= right),
        "<" => i64::from(left < right),
        ">" => i64::from(left > right),
        "<<" => left.wrapping_shl(right as u32),
        ">>" => left.wrapping_shr(right as u32),
        "+" => left.wrapping_add(right),
        "-" => left.wrapping_sub(right),
        "*" => left.wrapping_mul(right),
        _ if right == 0 => return Err("divide by zero".to_owned()),
        "/" => left.wrapping_div(right),
        _ => left.wrapping_rem(right),
    })
}
