//! What happens to a module when its image is pulled: it is checked, and rewritten with a meter in it.
//!
//! The rewritten module has the same functions under the same numbers; added are globals for fuel, stack
//! depth and the memory limit, and functions for growing and filling memory under them. All exports
//! are replaced by the engine's own ([`export`]), so that whatever the module exports, the engine meets
//! only what it knows. Modules whose state isn't memory and numeric globals alone are refused: a parked
//! container is just these.

use wasmparser::{ExternalKind, Operator, Parser, Payload, TypeRef, ValType};

use super::abi::{self, HostFn, PARAM_DROPPED, PARAMS_MAX, export};
use super::{FUEL_PER_CALL, ImageError, MODULE_BYTES_MAX};
use encode::{Entries, op};

mod body;
mod encode;

/// The stack that a guest may use, by estimate. A browser's worker has about 500 kB in all.
pub(super) const STACK_BYTES_MAX: i32 = 192 << 10;

/// The memory that a module may begin with, in pages.
const PAGES_MIN_MAX: u64 = 2_048;
const FUNCTIONS_MAX: usize = 50_000;
const CODE_BYTES_MAX: usize = 3 << 20;
const TABLE_MAX: u64 = 100_000;
const ENTRIES_MAX: u32 = 100_000;

const I32: u8 = 0x7f;

/// How the engine reads and writes one mutable global of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GlobalAccess {
    /// An i32, exported under this name.
    Direct(String),
    /// 64 bits (or a float's), through exported functions: low half, high half, and set both.
    Halves { low: String, high: String, set: String },
}

/// A checked and metered module, with all that the engine must know about it.
#[derive(Clone, Debug)]
pub(super) struct Metered {
    pub(super) wasm: Vec<u8>,
    pub(super) imports: Vec<HostFn>,
    /// The first import that the engine doesn't have.
    pub(super) missing: Option<(String, String)>,
    pub(super) has_entry: bool,
    pub(super) has_poll: bool,
    pub(super) pages_min: u32,
    pub(super) globals: Vec<GlobalAccess>,
    /// Where the stack begins that holds nothing between calls, if the guest says so.
    pub(super) stack_top: u32,
}

/// A value type's byte, for the types that may occur.
fn val_type(ty: ValType) -> Option<u8> {
    Some(match ty {
        ValType::I32 => 0x7f,
        ValType::I64 => 0x7e,
        ValType::F32 => 0x7d,
        ValType::F64 => 0x7c,
        ValType::V128 => 0x7b,
        ValType::Ref(r) if r.is_func_ref() => 0x70,
        ValType::Ref(r) if r.is_extern_ref() => 0x6f,
        ValType::Ref(_) => return None,
    })
}

fn unsupported(what: &str) -> ImageError {
    ImageError::Unsupported(what.to_owned())
}

struct Signature {
    params: Vec<u8>,
    results: Vec<u8>,
}

/// What was read of a module.
#[derive(Default)]
struct Source<'a> {
    types: Vec<Signature>,
    /// Imported functions: namespace, name, type.
    imports: Vec<(&'a str, &'a str, u32)>,
    missing: Option<(String, String)>,
    functions: Vec<u32>,
    tables: Option<&'a [u8]>,
    memory: Option<(u64, Option<u64>)>,
    globals: Option<(u32, &'a [u8])>,
    /// Mutable globals: number, type, and the constant that an i32 begins with.
    mutable: Vec<(u32, u8, Option<i32>)>,
    exports: Vec<(&'a str, u32)>,
    start: Option<u32>,
    elements: Option<&'a [u8]>,
    data: Option<&'a [u8]>,
    bodies: Vec<wasmparser::FunctionBody<'a>>,
}

/// Reads a module and refuses what containers can't be.
fn read(wasm: &[u8]) -> Result<Source<'_>, ImageError> {
    let mut source = Source::default();
    let mut last_section = 0u8;
    let mut code_bytes = 0usize;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(|e| body::corrupt(&e))?;
        let (order, count) = match &payload {
            Payload::TypeSection(s) => (1, s.count()),
            Payload::ImportSection(s) => (2, s.count()),
            Payload::FunctionSection(s) => (3, s.count()),
            Payload::TableSection(s) => (4, s.count()),
            Payload::MemorySection(s) => (5, s.count()),
            Payload::TagSection(_) => return Err(unsupported("exceptions")),
            Payload::GlobalSection(s) => (7, s.count()),
            Payload::ExportSection(s) => (8, s.count()),
            Payload::StartSection { .. } => (9, 0),
            Payload::ElementSection(s) => (10, s.count()),
            Payload::DataCountSection { .. } => (11, 0),
            Payload::CodeSectionStart { count, .. } => (12, *count),
            Payload::DataSection(s) => (13, s.count()),
            _ => (0, 0),
        };
        if order != 0 {
            if order <= last_section {
                return Err(ImageError::Corrupt("sections out of order".to_owned()));
            }
            last_section = order;
        }
        if count > ENTRIES_MAX {
            return Err(ImageError::TooLarge(format!("{count} entries in one section")));
        }
        let section = |range: std::ops::Range<usize>| wasm.get(range).unwrap_or_default();
        match payload {
            Payload::Version { encoding: wasmparser::Encoding::Component, .. } => {
                return Err(unsupported("a component, not a module"));
            }
            Payload::TypeSection(types) => {
                for group in types {
                    let group = group.map_err(|e| body::corrupt(&e))?;
                    let mut subtypes = group.types();
                    let (Some(ty), None) = (subtypes.next(), subtypes.next()) else {
                        return Err(unsupported("recursive types"));
                    };
                    let wasmparser::CompositeInnerType::Func(func) = &ty.composite_type.inner else {
                        return Err(unsupported("types other than functions"));
                    };
                    if ty.composite_type.shared || group.is_explicit_rec_group() || ty.supertype_idx.is_some() {
                        return Err(unsupported("types other than functions"));
                    }
                    let convert = |types: &[ValType]| types.iter().map(|ty| val_type(*ty)).collect::<Option<Vec<u8>>>();
                    let (Some(params), Some(results)) = (convert(func.params()), convert(func.results())) else {
                        return Err(unsupported("reference types"));
                    };
                    if params.len() > 256 || results.len() > 256 {
                        return Err(ImageError::TooLarge("a function type".to_owned()));
                    }
                    source.types.push(Signature { params, results });
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import.map_err(|e| body::corrupt(&e))?;
                    match import.ty {
                        TypeRef::Func(ty) => source.imports.push((import.module, import.name, ty)),
                        _ => {
                            source.missing.get_or_insert_with(|| (import.module.to_owned(), import.name.to_owned()));
                        }
                    }
                }
            }
            Payload::FunctionSection(functions) => {
                for ty in functions {
                    source.functions.push(ty.map_err(|e| body::corrupt(&e))?);
                }
            }
            Payload::TableSection(tables) => {
                source.tables = Some(section(tables.range()));
                for table in tables {
                    let ty = table.map_err(|e| body::corrupt(&e))?.ty;
                    if ty.table64 || ty.shared || val_type(ValType::Ref(ty.element_type)) != Some(0x70) {
                        return Err(unsupported("tables of anything but functions"));
                    }
                    if ty.initial > TABLE_MAX {
                        return Err(ImageError::TooLarge(format!("a table of {} entries", ty.initial)));
                    }
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    let memory = memory.map_err(|e| body::corrupt(&e))?;
                    if memory.memory64 || memory.shared || memory.page_size_log2.is_some() || source.memory.is_some() {
                        return Err(unsupported("any memory but one of 32 bits"));
                    }
                    if memory.initial > PAGES_MIN_MAX {
                        return Err(ImageError::TooLarge(format!("a memory of {} pages", memory.initial)));
                    }
                    source.memory = Some((memory.initial, memory.maximum));
                }
            }
            Payload::GlobalSection(globals) => {
                source.globals = Some((globals.count(), section(globals.range())));
                for (index, global) in globals.into_iter().enumerate() {
                    let global = global.map_err(|e| body::corrupt(&e))?;
                    if !global.ty.mutable {
                        continue;
                    }
                    match val_type(global.ty.content_type) {
                        Some(ty @ 0x7c..=0x7f) if !global.ty.shared => {
                            let initial = match global.init_expr.get_operators_reader().read() {
                                Ok(Operator::I32Const { value }) => Some(value),
                                _ => None,
                            };
                            source.mutable.push((index as u32, ty, initial));
                        }
                        _ => return Err(unsupported("mutable globals that aren't numbers")),
                    }
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export.map_err(|e| body::corrupt(&e))?;
                    if export.kind == ExternalKind::Func {
                        source.exports.push((export.name, export.index));
                    }
                }
            }
            Payload::StartSection { func, .. } => source.start = Some(func),
            Payload::ElementSection(elements) => source.elements = Some(section(elements.range())),
            Payload::DataSection(data) => source.data = Some(section(data.range())),
            Payload::CodeSectionEntry(code) => {
                code_bytes += code.range().len();
                source.bodies.push(code);
            }
            Payload::UnknownSection { id, .. } => {
                return Err(ImageError::Corrupt(format!("unknown section {id}")));
            }
            _ => {}
        }
    }
    if code_bytes > CODE_BYTES_MAX || source.functions.len() > FUNCTIONS_MAX {
        return Err(ImageError::TooLarge(format!("{code_bytes} bytes of code")));
    }
    if source.bodies.len() != source.functions.len() {
        return Err(ImageError::Corrupt("functions and their code differ in number".to_owned()));
    }
    let known = |ty: u32| (ty as usize) < source.types.len();
    if !source.functions.iter().all(|ty| known(*ty)) || !source.imports.iter().all(|import| known(import.2)) {
        return Err(ImageError::Corrupt("unknown type".to_owned()));
    }
    Ok(source)
}

/// Checks a module's structure, without its code.
pub(super) fn inspect(wasm: &[u8]) -> Result<(), ImageError> {
    if wasm.len() > MODULE_BYTES_MAX {
        return Err(ImageError::TooLarge(format!("{} bytes", wasm.len())));
    }
    read(wasm).map(|_| ())
}

/// Checks a module and puts the meter in.
pub(super) fn meter(wasm: &[u8]) -> Result<Metered, ImageError> {
    let mut source = read(wasm)?;
    let mut imports = Vec::new();
    for (module, name, ty) in &source.imports {
        let ty = source.types.get(*ty as usize);
        let found = HostFn::find(module, name)
            .filter(|f| ty.is_some_and(|ty| ty.params == f.params() && ty.results == f.results()));
        match found {
            Some(function) => imports.push(function),
            None => {
                source.missing.get_or_insert_with(|| ((*module).to_owned(), (*name).to_owned()));
            }
        }
    }
    let mut metered = Metered {
        wasm: Vec::new(),
        imports,
        missing: source.missing.take(),
        has_entry: false,
        has_poll: false,
        pages_min: source.memory.map_or(0, |(initial, _)| initial as u32),
        globals: Vec::new(),
        stack_top: 0,
    };
    let imports = metered.imports.clone();
    let writer = Writer::new(wasm, &source, &imports);
    // What lacks an import can't run, so there is nothing to meter.
    if metered.missing.is_none() {
        writer.write(&mut metered)?;
    } else {
        metered.has_entry = true;
    }
    Ok(metered)
}

struct Writer<'a> {
    wasm: &'a [u8],
    source: &'a Source<'a>,
    imports: &'a [HostFn],
    types: Entries,
    functions: Entries,
    exports: Entries,
    /// Bodies of added functions, in the order of their numbers.
    helpers: Vec<Vec<u8>>,
    next_function: u32,
}

impl<'a> Writer<'a> {
    fn new(wasm: &'a [u8], source: &'a Source<'a>, imports: &'a [HostFn]) -> Self {
        let mut writer = Writer {
            wasm,
            source,
            imports,
            types: Entries::default(),
            functions: Entries::default(),
            exports: Entries::default(),
            helpers: Vec::new(),
            next_function: (source.imports.len() + source.functions.len()) as u32,
        };
        for ty in &source.types {
            writer.add_type(&ty.params, &ty.results);
        }
        for ty in &source.functions {
            writer.functions.push(|out| encode::unsigned(out, *ty));
        }
        writer
    }

    fn add_type(&mut self, params: &[u8], results: &[u8]) -> u32 {
        self.types.push(|out| {
            out.push(0x60);
            for types in [params, results] {
                encode::unsigned(out, types.len() as u32);
                out.extend_from_slice(types);
            }
        })
    }

    /// Adds a function without locals and answers its number.
    fn add_function(&mut self, params: &[u8], results: &[u8], code: impl FnOnce(&mut Vec<u8>)) -> u32 {
        let ty = self.add_type(params, results);
        self.functions.push(|out| encode::unsigned(out, ty));
        let mut body = vec![0];
        code(&mut body);
        body.push(op::END);
        self.helpers.push(body);
        self.next_function += 1;
        self.next_function - 1
    }

    fn export(&mut self, name: &str, kind: u8, index: u32) {
        self.exports.push(|out| {
            encode::name(out, name);
            out.push(kind);
            encode::unsigned(out, index);
        });
    }

    fn exported(&self, name: &str) -> Option<u32> {
        self.source.exports.iter().find(|(n, _)| *n == name).map(|(_, index)| *index)
    }

    /// The signature of a function by its number.
    fn signature(&self, function: u32) -> Option<&'a Signature> {
        let function = function as usize;
        let ty = match self.source.imports.get(function) {
            Some((_, _, ty)) => *ty,
            None => *self.source.functions.get(function - self.source.imports.len())?,
        };
        self.source.types.get(ty as usize)
    }

    fn entry(&self, name: &str) -> Option<u32> {
        let index = self.exported(name)?;
        self.signature(index).filter(|ty| ty.params.is_empty() && ty.results.is_empty()).map(|_| index)
    }

    fn write(mut self, metered: &mut Metered) -> Result<(), ImageError> {
        let source = self.source;
        let base = source.globals.map_or(0, |(count, _)| count);
        let (fuel, depth, pages_max, oom, pages) = (base, base + 1, base + 2, base + 3, base + 4);

        // Imports, with a shim before any that has more parameters than the browser's back end takes.
        let mut import_section = Entries::default();
        let mut shims = Vec::new();
        let mut ending = Vec::new();
        for (index, ((_, _, ty), function)) in source.imports.iter().zip(self.imports).enumerate() {
            let index = index as u32;
            let mut ty = *ty;
            let params = function.params();
            if params.len() > PARAMS_MAX {
                let kept: Vec<u32> = (0..params.len() as u32).filter(|i| *i as usize != PARAM_DROPPED).collect();
                let kept_types: Vec<u8> = kept.iter().filter_map(|i| params.get(*i as usize).copied()).collect();
                let shim = self.add_function(&params, &function.results(), |out| {
                    kept.iter().for_each(|i| op::local_get(out, *i));
                    op::call(out, index);
                });
                shims.push((index, shim));
                ty = self.add_type(&kept_types, &function.results());
            }
            if function.ends_process() {
                ending.push(index);
            }
            import_section.push(|out| {
                encode::name(out, function.module);
                encode::name(out, function.name);
                out.push(0);
                encode::unsigned(out, ty);
            });
        }

        let memory = source.memory.is_some();
        // Without a memory the instructions that these stand for don't validate, and neither do these.
        let grow = self.add_function(&[I32], &[I32], |out| grow_body(out, fuel, pages_max, oom, pages));
        let fill = self.add_function(&[I32, I32, I32], &[], |out| bulk_body(out, fuel, &[0xfc, 11, 0]));
        let copy = self.add_function(&[I32, I32, I32], &[], |out| bulk_body(out, fuel, &[0xfc, 10, 0, 0]));
        if !memory {
            self.helpers.iter_mut().rev().take(3).for_each(|body| *body = vec![0, op::UNREACHABLE, op::END]);
        }

        let start = self.entry("_start").or_else(|| self.entry("_initialize"));
        let poll = self.entry(abi::GUEST_POLL);
        metered.has_entry = start.is_some();
        metered.has_poll = poll.is_some();
        for (name, first, second) in [(export::START, source.start, start), (export::POLL, None, poll)] {
            let function = self.add_function(&[I32, I32], &[], |out| {
                op::local_get(out, 0);
                op::global_set(out, fuel);
                op::local_get(out, 1);
                op::global_set(out, pages_max);
                for zero in [depth, oom] {
                    op::i32_const(out, 0);
                    op::global_set(out, zero);
                }
                first.into_iter().chain(second).for_each(|f| op::call(out, f));
            });
            self.export(name, 0, function);
        }
        if memory {
            let raw_grow = self.add_function(&[I32], &[I32], |out| {
                op::local_get(out, 0);
                out.extend_from_slice(&[0x40, 0]);
            });
            self.export(export::GROW, 0, raw_grow);
            self.export(export::MEMORY, 2, 0);
        }
        let meters = [(export::FUEL, fuel), (export::DEPTH, depth), (export::OOM, oom), (export::PAGES, pages)];
        for (name, index) in meters {
            self.export(name, 3, index);
        }
        metered.globals = source.mutable.iter().map(|(index, ty, _)| self.global_access(*index, *ty)).collect();
        if self.exported(abi::GUEST_STACK_FIRST).is_some()
            && let Some((0, I32, Some(top))) = source.mutable.first()
            && (0..=(1 << 20)).contains(top)
        {
            metered.stack_top = *top as u32;
        }

        let context = body::Context {
            imports: source.imports.len() as u32,
            ending: &ending,
            shims: &shims,
            fuel,
            depth,
            pages,
            grow,
            fill,
            copy,
        };
        let mut code = Entries::default();
        for (body, ty) in source.bodies.iter().zip(&source.functions) {
            let Some(signature) = source.types.get(*ty as usize) else { continue };
            // The body's block has the function's results: none, one, or a type without parameters.
            let mut block = Vec::new();
            match signature.results.as_slice() {
                [] => block.push(op::EMPTY),
                [one] => block.push(*one),
                several => {
                    let ty = self.add_type(&[], several);
                    encode::signed(&mut block, ty as i32);
                }
            }
            let mut out = Vec::with_capacity(body.range().len() * 3 / 2 + 64);
            body::rewrite(self.wasm, body, &context, signature.params.len() as u32, &block, &mut out)?;
            code.push(|section| {
                encode::unsigned(section, out.len() as u32);
                section.extend_from_slice(&out);
            });
        }
        for helper in &self.helpers {
            code.push(|section| {
                encode::unsigned(section, helper.len() as u32);
                section.extend_from_slice(helper);
            });
        }

        let mut globals = source.globals.map_or_else(Entries::default, |(count, raw)| Entries::raw(count, raw));
        for initial in [FUEL_PER_CALL as i32, 0, i32::MAX, 0, metered.pages_min as i32] {
            globals.push(|out| {
                out.extend_from_slice(&[I32, 1]);
                op::i32_const(out, initial);
                out.push(op::END);
            });
        }

        let mut out = b"\0asm\x01\0\0\0".to_vec();
        self.types.finish(&mut out, 1);
        import_section.finish(&mut out, 2);
        self.functions.finish(&mut out, 3);
        if let Some(tables) = source.tables {
            encode::section(&mut out, 4, tables);
        }
        if let Some((initial, maximum)) = source.memory {
            let mut memories = Entries::default();
            memories.push(|out| {
                out.push(u8::from(maximum.is_some()));
                encode::unsigned(out, initial as u32);
                if let Some(maximum) = maximum {
                    encode::unsigned(out, u32::try_from(maximum).unwrap_or(65_536));
                }
            });
            memories.finish(&mut out, 5);
        }
        globals.finish(&mut out, 6);
        self.exports.finish(&mut out, 7);
        if let Some(elements) = source.elements {
            encode::section(&mut out, 9, elements);
        }
        code.finish(&mut out, 10);
        if let Some(data) = source.data {
            encode::section(&mut out, 11, data);
        }
        metered.wasm = out;
        Ok(())
    }

    /// Exports what it takes to read and write one of the guest's mutable globals.
    fn global_access(&mut self, index: u32, ty: u8) -> GlobalAccess {
        if ty == I32 {
            let name = format!("g{index}");
            self.export(&name, 3, index);
            return GlobalAccess::Direct(name);
        }
        // To and from 64 bits: nothing, or a reinterpretation.
        let (to_bits, from_bits): (&[u8], &[u8]) = match ty {
            0x7d => (&[0xbc, 0xad], &[0xa7, 0xbe]),
            0x7c => (&[0xbd], &[0xbf]),
            _ => (&[], &[]),
        };
        let names = ["low", "high", "set"].map(|part| format!("g{index}{part}"));
        let low = self.add_function(&[], &[I32], |out| {
            op::global_get(out, index);
            out.extend_from_slice(to_bits);
            out.push(0xa7);
        });
        let high = self.add_function(&[], &[I32], |out| {
            op::global_get(out, index);
            out.extend_from_slice(to_bits);
            out.extend_from_slice(&[0x42, 32, 0x88, 0xa7]);
        });
        let set = self.add_function(&[I32, I32], &[], |out| {
            op::local_get(out, 1);
            out.extend_from_slice(&[0xad, 0x42, 32, 0x86]);
            op::local_get(out, 0);
            out.extend_from_slice(&[0xad, 0x84]);
            out.extend_from_slice(from_bits);
            op::global_set(out, index);
        });
        for (name, function) in names.iter().zip([low, high, set]) {
            self.export(name, 0, function);
        }
        let [low, high, set] = names;
        GlobalAccess::Halves { low, high, set }
    }
}

/// `memory.grow` under the container's limit: beyond it the process ends, as the kernel would have it.
///
/// The size that the guest sees is a global, since the instance may have grown for another inhabitant
/// before; what lies beyond is zero, as grown memory is.
fn grow_body(out: &mut Vec<u8>, fuel: u32, pages_max: u32, oom: u32, pages: u32) {
    let wanted = |out: &mut Vec<u8>| {
        op::local_get(out, 0);
        op::global_get(out, pages);
        out.push(op::I32_ADD);
    };
    // No memory has room for so much: the allocation fails, and nothing else happens.
    op::local_get(out, 0);
    op::i32_const(out, 65_536);
    out.push(op::I32_GT_U);
    out.extend_from_slice(&[op::IF, op::EMPTY]);
    op::i32_const(out, -1);
    out.extend_from_slice(&[op::RETURN, op::END]);
    wanted(out);
    op::global_get(out, pages_max);
    out.extend_from_slice(&[op::I32_GT_U, op::IF, op::EMPTY]);
    op::i32_const(out, 1);
    op::global_set(out, oom);
    out.extend_from_slice(&[op::UNREACHABLE, op::END]);
    // Fresh pages are zeroed by someone.
    op::global_get(out, fuel);
    op::local_get(out, 0);
    op::i32_const(out, 2_000);
    out.extend_from_slice(&[op::I32_MUL, op::I32_SUB]);
    op::global_set(out, fuel);
    wanted(out);
    out.extend_from_slice(&[0x3f, 0, op::I32_GT_U, op::IF, op::EMPTY]);
    wanted(out);
    out.extend_from_slice(&[0x3f, 0, op::I32_SUB, 0x40, 0]);
    op::i32_const(out, -1);
    out.extend_from_slice(&[op::I32_EQ, op::IF, op::EMPTY]);
    op::i32_const(out, -1);
    out.extend_from_slice(&[op::RETURN, op::END, op::END]);
    op::global_get(out, pages);
    wanted(out);
    op::global_set(out, pages);
}

/// `memory.fill` or `memory.copy` at eight bytes a unit of fuel.
fn bulk_body(out: &mut Vec<u8>, fuel: u32, instruction: &[u8]) {
    op::global_get(out, fuel);
    op::local_get(out, 2);
    op::i32_const(out, 3);
    out.extend_from_slice(&[op::I32_SHR_U, op::I32_SUB]);
    op::global_set(out, fuel);
    op::global_get(out, fuel);
    op::i32_const(out, 0);
    out.push(op::I32_LT_S);
    op::trap_if(out);
    (0..3).for_each(|operand| op::local_get(out, operand));
    out.extend_from_slice(instruction);
}
