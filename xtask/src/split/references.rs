//! Which data and which functions' addresses each function and each piece of data refers to, as the linker leaves it when it
//! is asked to (`--emit-relocs`): in the module before wasm-bindgen, whose functions have the same names, and whose data
//! has the same addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use wasmparser::{DataKind, KnownCustom, Linking, Parser, Payload, RelocationType, SymbolInfo};

use super::parsed::{constant, function_names};
use crate::report::{Context as _, Result};

/// What is referred to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    /// A piece of data, by its place in [`References::data`].
    Data(usize),
    /// A function whose address is taken, by index.
    Function(u32),
}

/// A piece of data with a symbol.
struct Piece {
    addresses: Range<u32>,
    targets: Vec<Target>,
}

/// The references of a module.
#[derive(Default)]
pub struct References<'a> {
    names: BTreeMap<u32, &'a str>,
    /// By function.
    functions: BTreeMap<&'a str, Vec<Target>>,
    data: Vec<Piece>,
}

/// What a set of functions can reach without calling anything outside the set.
pub struct Reached<'a> {
    /// Functions whose addresses can be found.
    pub functions: BTreeSet<&'a str>,
    /// Addresses of data that cannot be reached, in order, apart from each other.
    pub unreached: Vec<Range<u32>>,
}

/// A section's place in the file, and what is in it.
#[derive(Default)]
struct Layout<'a> {
    imported: u32,
    code_start: usize,
    /// Where each function's body is, relative to the code section.
    bodies: Vec<Range<usize>>,
    data_start: usize,
    /// Where each segment's bytes are, relative to the data section, and the address of its first byte.
    segments: Vec<(Range<usize>, u32)>,
    code_section: u32,
    data_section: u32,
    symbols: Vec<SymbolInfo<'a>>,
    relocations: Vec<(u32, wasmparser::RelocationEntry)>,
}

impl<'a> References<'a> {
    /// Reads the linker's output.
    pub fn read(wasm: &'a [u8]) -> Result<References<'a>> {
        let mut references = References::default();
        let mut layout = Layout::default();
        let mut section = 0;
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload.context("the linker's module")?;
            references.take(&mut layout, &payload, section)?;
            section += u32::from(payload.as_section().is_some());
        }
        references.relate(wasm, &layout)?;
        Ok(references)
    }

    fn take(&mut self, layout: &mut Layout<'a>, payload: &Payload<'a>, section: u32) -> Result<()> {
        match payload {
            Payload::ImportSection(imports) => {
                for import in imports.clone().into_imports() {
                    let function = matches!(import.context("imports")?.ty, wasmparser::TypeRef::Func(_));
                    layout.imported += u32::from(function);
                }
            }
            Payload::CodeSectionStart { range, .. } => {
                layout.code_start = range.start;
                layout.code_section = section;
            }
            Payload::CodeSectionEntry(body) => {
                let range = body.range();
                layout.bodies.push(range.start - layout.code_start..range.end - layout.code_start);
            }
            Payload::DataSection(data) => {
                layout.data_start = data.range().start;
                layout.data_section = section;
                for segment in data.clone() {
                    let segment = segment.context("data")?;
                    let DataKind::Active { offset_expr, .. } = &segment.kind else { return Err("passive data".into()) };
                    let end = segment.range.end - layout.data_start;
                    layout.segments.push((end - segment.data.len()..end, constant(offset_expr)?));
                }
            }
            Payload::CustomSection(custom) => match custom.as_known() {
                KnownCustom::Linking(linking) => {
                    for subsection in linking.subsections() {
                        if let Linking::SymbolTable(symbols) = subsection.context("the symbol table")? {
                            layout.symbols = symbols
                                .into_iter()
                                .collect::<std::result::Result<_, _>>()
                                .context("the symbol table")?;
                        }
                    }
                }
                KnownCustom::Reloc(relocations) => {
                    for entry in relocations.entries() {
                        layout.relocations.push((relocations.section_index(), entry.context("a relocation")?));
                    }
                }
                KnownCustom::Name(names) => self.names = function_names(names)?,
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }

    /// Turns relocations into references.
    fn relate(&mut self, wasm: &[u8], layout: &Layout<'a>) -> Result<()> {
        if layout.symbols.is_empty() {
            return Err("the linker has left no symbols".into());
        }
        let mut by_symbol = BTreeMap::new();
        for (at, symbol) in layout.symbols.iter().enumerate() {
            if let SymbolInfo::Data { symbol: Some(defined), .. } = symbol {
                // What is zero at the start is in no segment.
                let Some((bytes, address)) = layout.segments.get(defined.index as usize) else { continue };
                if (defined.offset + defined.size) as usize > bytes.len() || defined.size == 0 {
                    continue;
                }
                let start = address + defined.offset;
                by_symbol.insert(at as u32, self.data.len());
                self.data.push(Piece { addresses: start..start + defined.size, targets: Vec::new() });
            }
        }
        let mut by_address: Vec<usize> = (0..self.data.len()).collect();
        by_address.sort_by_key(|p| (self.data[*p].addresses.start, self.data[*p].addresses.end));

        for (section, entry) in &layout.relocations {
            let target = match entry.ty {
                RelocationType::MemoryAddrLeb | RelocationType::MemoryAddrSleb | RelocationType::MemoryAddrI32 => {
                    by_symbol.get(&entry.index).map(|piece| Target::Data(*piece))
                }
                RelocationType::TableIndexSleb | RelocationType::TableIndexI32 => {
                    match layout.symbols.get(entry.index as usize) {
                        Some(SymbolInfo::Func { index, .. }) => Some(Target::Function(*index)),
                        _ => return Err("a relocation of no function".into()),
                    }
                }
                _ => None,
            };
            let Some(target) = target else { continue };
            let at = entry.offset as usize;
            if *section == layout.code_section {
                let f = layout.bodies.partition_point(|body| body.end <= at) as u32 + layout.imported;
                let name = self.names.get(&f).ok_or("a function without a name")?;
                self.functions.entry(name).or_default().push(target);
            } else if *section == layout.data_section {
                let (bytes, address) = layout
                    .segments
                    .iter()
                    .find(|(bytes, _)| bytes.contains(&at))
                    .ok_or("a relocation of no segment")?;
                let address = address + (at - bytes.start) as u32;
                if let (Target::Data(piece), RelocationType::MemoryAddrI32) = (target, entry.ty) {
                    self.verify(wasm, layout.data_start + at, piece, entry.addend)?;
                }
                for piece in pieces_at(&self.data, &by_address, address) {
                    self.data[piece].targets.push(target);
                }
            }
        }
        Ok(())
    }

    /// Checks that what the linker has written is what its relocation says.
    fn verify(&self, wasm: &[u8], at: usize, piece: usize, addend: i64) -> Result<()> {
        let written = wasm.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
        let meant = i64::from(self.data[piece].addresses.start) + addend;
        if written.map(i64::from) == Some(meant) { Ok(()) } else { Err("a relocation that does not hold".into()) }
    }

    /// What functions of these names reach through data and addresses.
    pub fn reach(&self, early: impl Fn(&str) -> bool) -> Reached<'a> {
        let mut todo: Vec<Target> = Vec::new();
        let mut seen: BTreeSet<Target> = BTreeSet::new();
        for (name, targets) in &self.functions {
            if early(name) {
                todo.extend(targets);
            }
        }
        let mut reached = Reached { functions: BTreeSet::new(), unreached: Vec::new() };
        while let Some(target) = todo.pop() {
            if !seen.insert(target) {
                continue;
            }
            match target {
                Target::Data(piece) => todo.extend(&self.data[piece].targets),
                Target::Function(f) => reached.functions.extend(self.names.get(&f)),
            }
        }
        let wanted = |piece: usize| seen.contains(&Target::Data(piece));
        let (kept, free): (Vec<usize>, Vec<usize>) = (0..self.data.len()).partition(|piece| wanted(*piece));
        let kept = union(kept.into_iter().map(|piece| self.data[piece].addresses.clone()));
        let free = union(free.into_iter().map(|piece| self.data[piece].addresses.clone()));
        reached.unreached = free.into_iter().flat_map(|range| without(range, &kept)).collect();
        reached
    }
}

/// The pieces that an address belongs to; strings can share their ends.
fn pieces_at(data: &[Piece], by_address: &[usize], address: u32) -> Vec<usize> {
    let end = by_address.partition_point(|p| data[*p].addresses.start <= address);
    // Pieces with references are tables, which share nothing: those that begin last are enough.
    by_address[..end].iter().rev().take(8).copied().filter(|p| data[*p].addresses.contains(&address)).collect()
}

/// Ranges put together where they touch.
fn union(ranges: impl Iterator<Item = Range<u32>>) -> Vec<Range<u32>> {
    let mut ranges: Vec<Range<u32>> = ranges.collect();
    ranges.sort_by_key(|r| (r.start, r.end));
    let mut out: Vec<Range<u32>> = Vec::new();
    for range in ranges {
        match out.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => out.push(range),
        }
    }
    out
}

/// What is left of a range. `taken` is in order and apart.
fn without(range: Range<u32>, taken: &[Range<u32>]) -> Vec<Range<u32>> {
    let mut left = Vec::new();
    let mut at = range.start;
    let first = taken.partition_point(|t| t.end <= range.start);
    for t in taken[first..].iter().take_while(|t| t.start < range.end) {
        if t.start > at {
            left.push(at..t.start);
        }
        at = at.max(t.end);
    }
    if at < range.end {
        left.push(at..range.end);
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_put_together_and_taken_apart() {
        let taken = union([5..7, 1..3, 2..4, 7..9].into_iter());
        assert_eq!(taken, [1..4, 5..9]);
        let cases: [(Range<u32>, &[(u32, u32)]); 5] = [
            (0..10, &[(0, 1), (4, 5), (9, 10)]),
            (1..4, &[]),
            (4..5, &[(4, 5)]),
            (2..6, &[(4, 5)]),
            (8..12, &[(9, 12)]),
        ];
        for (range, left) in cases {
            let found: Vec<(u32, u32)> = without(range.clone(), &taken).iter().map(|r| (r.start, r.end)).collect();
            assert_eq!(found, left, "{range:?}");
        }
    }
}
