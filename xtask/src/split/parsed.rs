//! A module as the cut needs it.

use std::collections::BTreeMap;

use wasm_encoder::reencode::{Reencode, utils};
use wasm_encoder::{ImportSection, TypeSection};
use wasmparser::{
    CompositeInnerType, DataKind, ElementItems, ElementKind, Export, ExternalKind, FunctionBody, Global, KnownCustom,
    MemoryType, Name, NameSectionReader, Operator, Parser, Payload, TableType, TypeRef,
};

use crate::report::{Context as _, Result};

/// Functions that the table holds from the start.
pub struct Segment {
    pub offset: u32,
    pub functions: Vec<u32>,
}

/// A module's parts. Function indices are the module's own: imports come first.
#[derive(Default)]
pub struct Parsed<'a> {
    type_section: Option<wasmparser::TypeSectionReader<'a>>,
    import_section: Option<wasmparser::ImportSectionReader<'a>>,
    /// How many parameters each type of function has.
    parameters: Vec<u32>,
    /// The type of every function.
    pub functions: Vec<u32>,
    imported: usize,
    bodies: Vec<FunctionBody<'a>>,
    pub tables: Vec<TableType>,
    pub memories: Vec<MemoryType>,
    pub globals: Vec<Global<'a>>,
    pub exports: Vec<Export<'a>>,
    pub start: Option<u32>,
    pub elements: Vec<Segment>,
    /// Addresses and bytes.
    pub data: Vec<(u32, &'a [u8])>,
    pub names: BTreeMap<u32, &'a str>,
}

impl<'a> Parsed<'a> {
    pub fn read(wasm: &'a [u8]) -> Result<Parsed<'a>> {
        let mut parsed = Parsed::default();
        for payload in Parser::new(0).parse_all(wasm) {
            parsed.take(payload.context("a module")?)?;
        }
        Ok(parsed)
    }

    fn take(&mut self, payload: Payload<'a>) -> Result<()> {
        match payload {
            Payload::TypeSection(section) => {
                self.type_section = Some(section.clone());
                for group in section {
                    for ty in group.context("types")?.into_types() {
                        let CompositeInnerType::Func(f) = ty.composite_type.inner else {
                            return Err("a type that is no function's".into());
                        };
                        self.parameters.push(f.params().len() as u32);
                    }
                }
            }
            Payload::ImportSection(section) => {
                self.import_section = Some(section.clone());
                for import in section.into_imports() {
                    match import.context("imports")?.ty {
                        TypeRef::Func(ty) => self.functions.push(ty),
                        _ => return Err("only functions can be imported by a module that is to be cut".into()),
                    }
                }
                self.imported = self.functions.len();
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    self.functions.push(ty.context("functions")?);
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    self.tables.push(table.context("tables")?.ty);
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    self.memories.push(memory.context("memories")?);
                }
            }
            Payload::GlobalSection(section) => {
                for global in section {
                    self.globals.push(global.context("globals")?);
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    self.exports.push(export.context("exports")?);
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(section) => self.take_elements(section)?,
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            Payload::DataSection(section) => {
                for segment in section {
                    let segment = segment.context("data")?;
                    let DataKind::Active { memory_index: 0, offset_expr } = segment.kind else {
                        return Err("data that is not put into memory at the start".into());
                    };
                    self.data.push((constant(&offset_expr)?, segment.data));
                }
            }
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(names) = section.as_known() {
                    self.names = function_names(names)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn take_elements(&mut self, section: wasmparser::ElementSectionReader<'a>) -> Result<()> {
        for segment in section {
            let segment = segment.context("elements")?;
            match (segment.kind, segment.items) {
                (ElementKind::Active { table_index: None | Some(0), offset_expr }, ElementItems::Functions(list)) => {
                    let functions = list.into_iter().collect::<std::result::Result<_, _>>().context("elements")?;
                    self.elements.push(Segment { offset: constant(&offset_expr)?, functions });
                }
                // Says only that functions may be referred to.
                (ElementKind::Declared, _) => {}
                _ => return Err("a segment of the table that is not put there at the start".into()),
            }
        }
        Ok(())
    }

    pub fn imported_functions(&self) -> usize {
        self.imported
    }

    /// How many parameters a function has.
    pub fn parameters(&self, f: u32) -> u32 {
        self.parameters[self.functions[f as usize] as usize]
    }

    pub fn body(&self, f: u32) -> Result<&FunctionBody<'a>> {
        (f as usize)
            .checked_sub(self.imported)
            .and_then(|i| self.bodies.get(i))
            .ok_or("a function without a body".into())
    }

    /// The functions that a function calls by name; none for an import.
    pub fn calls_of(&self, f: u32) -> Result<Vec<u32>> {
        if (f as usize) < self.imported {
            return Ok(Vec::new());
        }
        let mut calls = Vec::new();
        for operator in self.body(f)?.get_operators_reader().context("a body")? {
            match operator.context("an instruction")? {
                Operator::Call { function_index } => calls.push(function_index),
                Operator::RefFunc { .. } | Operator::ReturnCall { .. } => {
                    return Err("an instruction that the cut does not know".into());
                }
                _ => {}
            }
        }
        Ok(calls)
    }

    pub fn exported_functions(&self) -> impl Iterator<Item = u32> {
        self.exports.iter().filter(|e| e.kind == ExternalKind::Func).map(|e| e.index)
    }

    pub fn exported_function(&self, name: &str) -> Option<u32> {
        self.exports.iter().find(|e| e.name == name && e.kind == ExternalKind::Func).map(|e| e.index)
    }

    /// The slots of the table that hold functions, and which.
    pub fn slots(&self) -> impl Iterator<Item = (u32, u32)> {
        self.elements.iter().flat_map(|s| s.functions.iter().enumerate().map(|(i, f)| (s.offset + i as u32, *f)))
    }

    pub fn table_size(&self) -> Result<u64> {
        Ok(self.tables.first().ok_or("a module without a table")?.initial)
    }

    pub fn types(&self, half: &mut impl Reencode<Error = std::convert::Infallible>) -> Result<TypeSection> {
        let mut types = TypeSection::new();
        if let Some(section) = &self.type_section {
            utils::parse_type_section(half, &mut types, section.clone()).context("types")?;
        }
        Ok(types)
    }

    pub fn imports(&self, half: &mut impl Reencode<Error = std::convert::Infallible>) -> Result<ImportSection> {
        let mut imports = ImportSection::new();
        if let Some(section) = &self.import_section {
            utils::parse_import_section(half, &mut imports, section.clone()).context("imports")?;
        }
        Ok(imports)
    }
}

/// The functions' names, as a module's section of names has them.
pub fn function_names(section: NameSectionReader<'_>) -> Result<BTreeMap<u32, &str>> {
    let mut names = BTreeMap::new();
    for subsection in section {
        if let Name::Function(map) = subsection.context("names")? {
            for naming in map {
                let naming = naming.context("names")?;
                names.insert(naming.index, naming.name);
            }
        }
    }
    Ok(names)
}

/// The value of an offset.
pub fn constant(expression: &wasmparser::ConstExpr<'_>) -> Result<u32> {
    match expression.get_operators_reader().read().context("an offset")? {
        Operator::I32Const { value } => Ok(value as u32),
        _ => Err("an offset that is no constant".into()),
    }
}
