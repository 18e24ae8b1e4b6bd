//! Records which functions run: each leaves a mark in a memory of its own when it is called.

use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{CodeSection, ExportKind, ExportSection, Instruction, MemArg, MemorySection, MemoryType, Module};
use wasmparser::{CodeSectionReader, ExportSectionReader, FunctionBody, MemorySectionReader, Parser};

use super::Parsed;
use super::profile::Profile;
use crate::report::{Context as _, Result};

/// The memory with the marks, as the module exports it: a byte for each function that is not imported.
pub const MARKS: &str = "podarium_marks";

const PAGE_BYTES: usize = 65_536;

/// Makes every function leave its mark.
pub fn instrument(wasm: &[u8]) -> Result<Vec<u8>> {
    let functions = Parsed::read(wasm)?;
    let functions = functions.functions.len() - functions.imported_functions();
    let mut module = Module::new();
    let mut marker = Marker { next: 0, functions };
    utils::parse_core_module(&mut marker, &mut module, Parser::new(0), wasm).context("a module to be marked")?;
    Ok(module.finish())
}

/// Adds the functions whose marks are set to a profile. `marks` are the indices of the bytes that are not zero.
pub fn gather(wasm: &[u8], marks: &[u32], profile: &mut Profile) -> Result<()> {
    let parsed = Parsed::read(wasm)?;
    for mark in marks {
        if let Some(name) = parsed.names.get(&(mark + parsed.imported_functions() as u32)) {
            profile.add(name);
        }
    }
    Ok(())
}

struct Marker {
    next: u64,
    functions: usize,
}

impl Reencode for Marker {
    type Error = Infallible;

    fn parse_memory_section(
        &mut self,
        memories: &mut MemorySection,
        section: MemorySectionReader<'_>,
    ) -> std::result::Result<(), Error<Infallible>> {
        utils::parse_memory_section(self, memories, section)?;
        let minimum = self.functions.div_ceil(PAGE_BYTES) as u64;
        memories.memory(MemoryType { minimum, maximum: None, memory64: false, shared: false, page_size_log2: None });
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: ExportSectionReader<'_>,
    ) -> std::result::Result<(), Error<Infallible>> {
        utils::parse_export_section(self, exports, section)?;
        exports.export(MARKS, ExportKind::Memory, 1);
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> std::result::Result<(), Error<Infallible>> {
        utils::parse_code_section(self, code, section)
    }

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> std::result::Result<(), Error<Infallible>> {
        let mut out = self.new_function_with_parsed_locals(&body)?;
        out.instruction(&Instruction::I32Const(0));
        out.instruction(&Instruction::I32Const(1));
        out.instruction(&Instruction::I32Store8(MemArg { offset: self.next, align: 0, memory_index: 1 }));
        self.next += 1;
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            out.instruction(&self.parse_instruction(&mut operators)?);
        }
        code.function(&out);
        Ok(())
    }
}
