//! Cuts a compiled module in two: what the first screen runs, and the rest, which is fetched when it is first called or
//! when the page has nothing else to do.
//!
//! Which functions the first screen runs was recorded in a browser (`cargo xtask first-screen`, [`record`]) and is kept as
//! fingerprints of their names. The list decides only what is fetched when, never what a program does: a function that is
//! called before it is there fetches the second half, and waits for it.
//!
//! Both halves share memory, table and globals. A call from the first half to a function of the second goes through the
//! table: its slot holds a stand-in that fetches the second half, which puts the function itself there.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use wasm_encoder::reencode::{Reencode, utils};
use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, ElementSection, Elements, EntityType, ExportKind, ExportSection, Function,
    FunctionSection, GlobalSection, ImportSection, Instruction, MemorySection, Module, StartSection, TableSection,
};
use wasmparser::Operator;

use crate::report::{Context as _, Result};

mod parsed;
pub mod profile;
pub mod record;
mod references;

use parsed::Parsed;
use profile::Profile;
use references::{Reached, References};

/// The function that fetches the second half, as the crate `podarium-web` exports it.
const FETCH_REST: &str = "podarium_fetch_rest";

/// The module that the second half imports everything from: the first half.
const FIRST: &str = "first";

/// Functions of so many bytes are in the first half whether they run or not: their stand-ins would be hardly smaller, and a closure that
/// is dropped a moment earlier than usual is no reason to fetch the rest.
const SMALL_MAX: usize = 64;

/// So many zeros are not written but left out.
const ZEROS_MIN: usize = 16;

/// Both halves of a module.
pub struct Halves {
    pub first: Vec<u8>,
    pub rest: Vec<u8>,
}

/// Cuts a module. `linked` is the same as the linker left it, with its relocations.
pub fn split(wasm: &[u8], linked: &[u8], profile: &Profile) -> Result<Halves> {
    let parsed = Parsed::read(wasm)?;
    let early = early_functions(&parsed, profile)?;
    let early_names: BTreeSet<&str> =
        parsed.names.iter().filter(|(f, _)| early[**f as usize]).map(|(_, name)| *name).collect();
    let references = References::read(linked)?;
    let reached = references.reach(|name| early_names.contains(name));
    cut(&parsed, early, &reached)
}

fn cut(parsed: &Parsed<'_>, early: Vec<bool>, reached: &Reached<'_>) -> Result<Halves> {
    let plan = Plan::new(parsed, early, reached)?;
    let data = Data::cut(parsed, &reached.unreached);
    let halves = Halves { first: first_half(parsed, &plan, &data)?, rest: second_half(parsed, &plan, &data)? };
    for half in [&halves.first, &halves.rest] {
        wasmparser::validate(half).context("a half of a module")?;
    }
    Ok(halves)
}

/// By function: whether the first screen runs it. Imports are there from the start.
fn early_functions(parsed: &Parsed<'_>, profile: &Profile) -> Result<Vec<bool>> {
    let imports = parsed.imported_functions();
    let fetch_rest = parsed.exported_function(FETCH_REST).ok_or("the module exports nothing that fetches the rest")?;
    let wanted = |f: u32| {
        let small = parsed.body(f).is_ok_and(|body| body.range().len() <= SMALL_MAX);
        small || parsed.names.get(&f).is_none_or(|name| profile.contains(name))
    };
    let mut early: Vec<bool> = (0..parsed.functions.len()).map(|f| f < imports || wanted(f as u32)).collect();
    // It fetches what is missing, and so do all that it calls.
    let mut needed = vec![fetch_rest];
    let mut seen = BTreeSet::new();
    while let Some(f) = needed.pop() {
        early[f as usize] = true;
        if seen.insert(f) {
            needed.extend(parsed.calls_of(f)?);
        }
    }
    Ok(early)
}

/// A module as visitors get it that is not cut.
pub fn without_names(wasm: &[u8]) -> Result<Vec<u8>> {
    struct NoNames;
    impl Reencode for NoNames {
        type Error = std::convert::Infallible;

        fn parse_custom_section(
            &mut self,
            _: &mut Module,
            _: wasmparser::CustomSectionReader<'_>,
        ) -> std::result::Result<(), wasm_encoder::reencode::Error<Self::Error>> {
            Ok(())
        }
    }
    let mut module = Module::new();
    NoNames.parse_core_module(&mut module, wasmparser::Parser::new(0), wasm).context("a module")?;
    Ok(module.finish())
}

/// Which function goes where, and how the halves call each other.
struct Plan {
    early: Vec<bool>,
    /// The slots of functions of the second half that somebody may call from the first.
    slots: BTreeMap<u32, u32>,
    /// The table's size, with the slots that were added.
    table_size: u64,
    /// Indices in the first half; of functions of the second half, those of their stand-ins.
    in_first: BTreeMap<u32, u32>,
    /// Indices in the second half; the first ones are imports.
    in_rest: BTreeMap<u32, u32>,
    /// Functions of the first half that the second calls, in the order of its imports.
    shared: Vec<u32>,
    fetch_rest: u32,
}

impl Plan {
    fn new(parsed: &Parsed<'_>, early: Vec<bool>, reached: &Reached<'_>) -> Result<Plan> {
        let imports = parsed.imported_functions();
        let fetch_rest =
            parsed.exported_function(FETCH_REST).ok_or("the module exports nothing that fetches the rest")?;
        let late: Vec<u32> = (0..early.len() as u32).filter(|f| !early[*f as usize]).collect();

        let mut called_by_first = BTreeSet::new();
        let mut shared = BTreeSet::new();
        for f in imports as u32..early.len() as u32 {
            for callee in parsed.calls_of(f)? {
                match (early[f as usize], early[callee as usize]) {
                    (true, false) => drop(called_by_first.insert(callee)),
                    (false, true) => drop(shared.insert(callee)),
                    _ => {}
                }
            }
        }
        called_by_first.extend(parsed.exported_functions().filter(|f| !early[*f as usize]));

        let mut slots: BTreeMap<u32, u32> = BTreeMap::new();
        for (slot, f) in parsed.slots() {
            // A function whose address only the second half can find needs no stand-in.
            let found = called_by_first.contains(&f)
                || parsed.names.get(&f).is_none_or(|name| reached.functions.contains(name));
            if !early[f as usize] && found {
                slots.entry(f).or_insert(slot);
            }
        }
        let mut table_size = parsed.table_size()?;
        for f in called_by_first {
            slots.entry(f).or_insert_with(|| {
                table_size += 1;
                table_size as u32 - 1
            });
        }

        let mut in_first = BTreeMap::new();
        let early_functions = (0..early.len() as u32).filter(|f| early[*f as usize]);
        for (at, f) in early_functions.chain(slots.keys().copied()).enumerate() {
            in_first.insert(f, at as u32);
        }
        let shared: Vec<u32> = shared.into_iter().collect();
        let in_rest = shared.iter().chain(&late).enumerate().map(|(at, f)| (*f, at as u32)).collect();
        Ok(Plan { early, slots, table_size, in_first, in_rest, shared, fetch_rest })
    }

    fn is_early(&self, f: u32) -> bool {
        self.early[f as usize]
    }

    /// The functions of the second half, in the order of their indices there.
    fn late(&self) -> impl Iterator<Item = u32> {
        (0..self.early.len() as u32).filter(|f| !self.is_early(*f))
    }
}

/// What memory holds at the start, by half: addresses and bytes.
struct Data<'a> {
    first: Vec<(u32, Vec<u8>)>,
    rest: Vec<(u32, &'a [u8])>,
}

impl<'a> Data<'a> {
    /// `late` are the addresses that only the second half can find, in order.
    fn cut(parsed: &Parsed<'a>, late: &[Range<u32>]) -> Data<'a> {
        let mut data = Data { first: Vec::new(), rest: Vec::new() };
        for (address, bytes) in &parsed.data {
            let end = address + bytes.len() as u32;
            let mut first = bytes.to_vec();
            for range in late.iter().filter(|r| *address <= r.start && r.end <= end) {
                let at = (range.start - address) as usize..(range.end - address) as usize;
                data.rest.push((range.start, &bytes[at.clone()]));
                first[at].fill(0);
            }
            data.first.extend(without_zeros(*address, &first));
        }
        data
    }
}

/// The pieces between long runs of zeros, which memory holds anyway.
fn without_zeros(address: u32, bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let mut pieces: Vec<(u32, Vec<u8>)> = Vec::new();
    let mut zeros = ZEROS_MIN;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte == 0 {
            zeros += 1;
            continue;
        }
        match pieces.last_mut() {
            Some((_, piece)) if zeros < ZEROS_MIN => {
                piece.resize(piece.len() + zeros, 0);
                piece.push(*byte);
            }
            _ => pieces.push((address + at as u32, vec![*byte])),
        }
        zeros = 0;
    }
    pieces
}

/// Writes bodies with the indices of one half.
struct Half<'a> {
    indices: &'a BTreeMap<u32, u32>,
}

impl Reencode for Half<'_> {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, f: u32) -> std::result::Result<u32, wasm_encoder::reencode::Error<Self::Error>> {
        // Every function that a half names is in its map: that is how the maps were made.
        Ok(self.indices.get(&f).copied().unwrap_or(f))
    }
}

fn first_half(parsed: &Parsed<'_>, plan: &Plan, data: &Data<'_>) -> Result<Vec<u8>> {
    let mut half = Half { indices: &plan.in_first };
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    for f in (parsed.imported_functions() as u32..plan.early.len() as u32).filter(|f| plan.is_early(*f)) {
        functions.function(parsed.functions[f as usize]);
        code.function(&early_body(parsed, plan, &mut half, f)?);
    }
    for (f, slot) in &plan.slots {
        functions.function(parsed.functions[*f as usize]);
        code.function(&stand_in(parsed, plan, *f, *slot));
    }

    let nobody = plan.in_first[&plan.fetch_rest];
    let mut elements = ElementSection::new();
    for segment in &parsed.elements {
        // The slot of a function that nobody can find yet holds anything.
        let list = segment.functions.iter().map(|f| plan.in_first.get(f).unwrap_or(&nobody));
        let list: Vec<u32> = list.copied().collect();
        elements.active(None, &ConstExpr::i32_const(segment.offset as i32), Elements::Functions(list.into()));
    }
    let old_size = parsed.table_size()? as u32;
    let mut added: Vec<(u32, u32)> =
        plan.slots.iter().filter(|(_, slot)| **slot >= old_size).map(|(f, slot)| (*slot, plan.in_first[f])).collect();
    added.sort_unstable();
    if !added.is_empty() {
        let list: Vec<u32> = added.into_iter().map(|(_, f)| f).collect();
        elements.active(None, &ConstExpr::i32_const(old_size as i32), Elements::Functions(list.into()));
    }

    let mut module = Module::new();
    module.section(&parsed.types(&mut half)?);
    module.section(&parsed.imports(&mut half)?);
    module.section(&functions);
    module.section(&tables(parsed, plan, &mut half)?);
    let mut memories = MemorySection::new();
    for memory in &parsed.memories {
        memories.memory(wasm_encoder::MemoryType::from(*memory));
    }
    module.section(&memories);
    let mut globals = GlobalSection::new();
    for global in &parsed.globals {
        utils::parse_global(&mut half, &mut globals, global.clone()).context("a global")?;
    }
    module.section(&globals);
    module.section(&exports(parsed, plan));
    if let Some(start) = parsed.start {
        module.section(&StartSection { function_index: plan.in_first[&start] });
    }
    module.section(&elements);
    module.section(&code);
    module.section(&data_section(&data.first));
    Ok(module.finish())
}

/// The tables, the first with room for the slots that were added.
fn tables(parsed: &Parsed<'_>, plan: &Plan, half: &mut Half<'_>) -> Result<TableSection> {
    let mut tables = TableSection::new();
    for (i, table) in parsed.tables.iter().enumerate() {
        tables.table(table_type(half, table, (i == 0).then_some(plan.table_size))?);
    }
    Ok(tables)
}

fn table_type(
    half: &mut Half<'_>,
    table: &wasmparser::TableType,
    size: Option<u64>,
) -> Result<wasm_encoder::TableType> {
    let mut ty = half.table_type(*table).context("a table")?;
    if let Some(size) = size {
        let added = size - ty.minimum;
        ty.minimum = size;
        ty.maximum = ty.maximum.map(|m| m + added);
    }
    Ok(ty)
}

/// What the module exported, and what the second half needs besides.
fn exports(parsed: &Parsed<'_>, plan: &Plan) -> ExportSection {
    let mut exports = ExportSection::new();
    for export in &parsed.exports {
        let (kind, index) = match export.kind {
            wasmparser::ExternalKind::Func | wasmparser::ExternalKind::FuncExact => {
                (ExportKind::Func, plan.in_first[&export.index])
            }
            wasmparser::ExternalKind::Table => (ExportKind::Table, export.index),
            wasmparser::ExternalKind::Memory => (ExportKind::Memory, export.index),
            wasmparser::ExternalKind::Global => (ExportKind::Global, export.index),
            wasmparser::ExternalKind::Tag => (ExportKind::Tag, export.index),
        };
        exports.export(export.name, kind, index);
    }
    for i in 0..parsed.memories.len() as u32 {
        exports.export(&shared_name('m', i), ExportKind::Memory, i);
    }
    for i in 0..parsed.tables.len() as u32 {
        exports.export(&shared_name('t', i), ExportKind::Table, i);
    }
    for i in 0..parsed.globals.len() as u32 {
        exports.export(&shared_name('g', i), ExportKind::Global, i);
    }
    for (i, f) in plan.shared.iter().enumerate() {
        exports.export(&shared_name('f', i as u32), ExportKind::Func, plan.in_first[f]);
    }
    exports
}

/// A short name that no other export has.
fn shared_name(kind: char, index: u32) -> String {
    format!("{kind}{index:x}")
}

/// A function of the first half; what it calls of the second it calls through the table.
fn early_body(parsed: &Parsed<'_>, plan: &Plan, half: &mut Half<'_>, f: u32) -> Result<Function> {
    let body = parsed.body(f)?;
    let mut out = half.new_function_with_parsed_locals(body).context("locals")?;
    let mut operators = body.get_operators_reader().context("a body")?;
    while !operators.eof() {
        match operators.read().context("an instruction")? {
            Operator::Call { function_index } if !plan.is_early(function_index) => {
                out.instruction(&Instruction::I32Const(plan.slots[&function_index] as i32));
                let type_index = parsed.functions[function_index as usize];
                out.instruction(&Instruction::CallIndirect { type_index, table_index: 0 });
            }
            other => drop(out.instruction(&half.instruction(other).context("an instruction")?)),
        }
    }
    Ok(out)
}

/// What a slot of the second half holds at first: fetches that half, and calls what is in the slot then.
fn stand_in(parsed: &Parsed<'_>, plan: &Plan, f: u32, slot: u32) -> Function {
    let mut out = Function::new([]);
    out.instruction(&Instruction::Call(plan.in_first[&plan.fetch_rest]));
    for local in 0..parsed.parameters(f) {
        out.instruction(&Instruction::LocalGet(local));
    }
    out.instruction(&Instruction::I32Const(slot as i32));
    out.instruction(&Instruction::CallIndirect { type_index: parsed.functions[f as usize], table_index: 0 });
    out.instruction(&Instruction::End);
    out
}

fn second_half(parsed: &Parsed<'_>, plan: &Plan, data: &Data<'_>) -> Result<Vec<u8>> {
    let mut half = Half { indices: &plan.in_rest };
    let mut imports = ImportSection::new();
    for (i, f) in plan.shared.iter().enumerate() {
        let ty = EntityType::Function(parsed.functions[*f as usize]);
        imports.import(FIRST, &shared_name('f', i as u32), ty);
    }
    for (i, memory) in parsed.memories.iter().enumerate() {
        let ty = wasm_encoder::MemoryType::from(*memory);
        imports.import(FIRST, &shared_name('m', i as u32), ty);
    }
    for (i, table) in parsed.tables.iter().enumerate() {
        let ty = table_type(&mut half, table, (i == 0).then_some(plan.table_size))?;
        imports.import(FIRST, &shared_name('t', i as u32), ty);
    }
    for (i, global) in parsed.globals.iter().enumerate() {
        let ty = half.global_type(global.ty).context("a global")?;
        imports.import(FIRST, &shared_name('g', i as u32), ty);
    }

    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    for f in plan.late() {
        functions.function(parsed.functions[f as usize]);
        half.parse_function_body(&mut code, parsed.body(f)?.clone()).context("a body")?;
    }

    // Every slot that holds a function of this half: those of the module, and those that were added.
    let mut places: BTreeMap<u32, u32> = parsed.slots().filter(|(_, f)| !plan.is_early(*f)).collect();
    places.extend(plan.slots.iter().map(|(f, slot)| (*slot, *f)));
    let mut elements = ElementSection::new();
    for (offset, run) in runs(&places) {
        let list: Vec<u32> = run.iter().map(|f| plan.in_rest[f]).collect();
        elements.active(None, &ConstExpr::i32_const(offset as i32), Elements::Functions(list.into()));
    }

    let mut module = Module::new();
    module.section(&parsed.types(&mut half)?);
    module.section(&imports);
    module.section(&functions);
    module.section(&elements);
    module.section(&code);
    module.section(&data_section(&data.rest));
    Ok(module.finish())
}

/// Neighbouring slots together.
fn runs(places: &BTreeMap<u32, u32>) -> Vec<(u32, Vec<u32>)> {
    let mut runs: Vec<(u32, Vec<u32>)> = Vec::new();
    for (slot, f) in places {
        match runs.last_mut() {
            Some((offset, run)) if *offset + run.len() as u32 == *slot => run.push(*f),
            _ => runs.push((*slot, vec![*f])),
        }
    }
    runs
}

fn data_section<B: AsRef<[u8]>>(pieces: &[(u32, B)]) -> DataSection {
    let mut section = DataSection::new();
    for (address, bytes) in pieces {
        section.active(0, &ConstExpr::i32_const(*address as i32), bytes.as_ref().iter().copied());
    }
    section
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::{NameMap, NameSection, RefType, TableType, TypeSection, ValType};

    /// Six functions: one is exported and calls the others; `late` and `found` are for the second half, which calls back.
    fn module() -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        types.ty().function([ValType::I32, ValType::I64], [ValType::I32]);
        let mut imports = ImportSection::new();
        imports.import("js", "fetch", EntityType::Function(0));
        let mut functions = FunctionSection::new();
        for ty in [0, 0, 1, 1, 1] {
            functions.function(ty);
        }
        let mut tables = TableSection::new();
        let table =
            TableType { element_type: RefType::FUNCREF, minimum: 3, maximum: Some(3), table64: false, shared: false };
        tables.table(table);
        let mut memories = MemorySection::new();
        memories.memory(wasm_encoder::MemoryType {
            minimum: 1,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let mut exports = ExportSection::new();
        exports.export(FETCH_REST, ExportKind::Func, 1).export("run", ExportKind::Func, 2);
        let mut elements = ElementSection::new();
        elements.active(None, &ConstExpr::i32_const(1), Elements::Functions(vec![4, 5].into()));
        let mut code = CodeSection::new();
        let call =
            |f: u32| [Instruction::I32Const(7), Instruction::I64Const(8), Instruction::Call(f), Instruction::Drop];
        let large = vec![Instruction::Nop; SMALL_MAX];
        let bodies: [Vec<Instruction<'_>>; 5] = [
            vec![Instruction::Call(0)],
            call(3).to_vec(),
            [large.clone(), call(5).to_vec(), vec![Instruction::LocalGet(0)]].concat(),
            [large, vec![Instruction::I32Const(1)]].concat(),
            vec![Instruction::I32Const(2)],
        ];
        for body in bodies {
            let mut f = Function::new([]);
            for instruction in body.iter().chain([&Instruction::End]) {
                f.instruction(instruction);
            }
            code.function(&f);
        }
        let mut data = DataSection::new();
        data.active(0, &ConstExpr::i32_const(100), *b"early late");
        let mut names = NameMap::new();
        for (f, name) in [(1, "fetch"), (2, "run"), (3, "late"), (4, "found"), (5, "shared")] {
            names.append(f, name);
        }
        let mut section = NameSection::new();
        section.functions(&names);
        let mut module = Module::new();
        module.section(&types).section(&imports).section(&functions).section(&tables).section(&memories);
        module.section(&exports).section(&elements).section(&code).section(&data).section(&section);
        module.finish()
    }

    #[test]
    fn a_module_is_cut_where_the_profile_says() {
        let wasm = module();
        let parsed = Parsed::read(&wasm).unwrap();
        let mut profile = Profile::default();
        for name in ["run", "shared"] {
            profile.add(name);
        }
        let early = early_functions(&parsed, &profile).unwrap();
        assert_eq!(early, [true, true, true, false, false, true]);
        let late: [Range<u32>; 2] = [106..107, 107..110];
        for (found, stand_ins) in [(&["found"][..], 2), (&[], 1)] {
            let reached = Reached { functions: found.iter().copied().collect(), unreached: late.to_vec() };
            let halves = cut(&parsed, early.clone(), &reached).unwrap();
            let first = Parsed::read(&halves.first).unwrap();
            // Three functions that it has, and what stands in for those that it has not.
            assert_eq!(first.functions.len() - first.imported_functions(), 3 + stand_ins);
            assert_eq!(first.table_size().unwrap(), 4, "a slot was added for the function that is called by name");
            assert_eq!(first.data, [(100, &b"early "[..])]);
        }
    }
}
