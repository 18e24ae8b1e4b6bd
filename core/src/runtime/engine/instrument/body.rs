//! A function's body: cut into straight runs, priced, and written again with its meter.
//!
//! Every run is paid for where it begins; fuel is looked at on entry to functions and loops, which no
//! endless computation can avoid. A function that calls others also keeps an estimate of the stack in
//! use, so that deep recursion ends at the same depth in every engine.

use wasmparser::{BlockType, FunctionBody, Operator};

use super::STACK_BYTES_MAX;
use super::encode::{op, unsigned};
use crate::runtime::engine::ImageError;

/// The largest body: compilers take more than linear time over one function.
const BODY_BYTES_MAX: usize = 512 << 10;
const LOCALS_MAX: u32 = 10_000;
const NESTING_MAX: usize = 2_000;

/// What a call of the host costs beside the call itself: a microsecond, as a system call may.
const HOST_CALL_COST: u32 = 1_000;

/// What a body needs to know about its module.
pub(super) struct Context<'a> {
    /// Functions below this number are imports.
    pub(super) imports: u32,
    /// Imports after which the process is no more.
    pub(super) ending: &'a [u32],
    /// Imports that are called through another function.
    pub(super) shims: &'a [(u32, u32)],
    /// The globals of the meter.
    pub(super) fuel: u32,
    pub(super) depth: u32,
    /// The global that holds the memory's size.
    pub(super) pages: u32,
    /// Functions that stand for instructions whose price depends on an operand.
    pub(super) grow: u32,
    pub(super) fill: u32,
    pub(super) copy: u32,
}

enum Edit {
    /// As it stands.
    Keep,
    /// A call of another function.
    Call(u32),
    /// The call stands, but nothing follows it.
    LastCall,
    /// The memory's size as the guest is to see it.
    Size,
    /// A branch to the whole body's block.
    Return { nesting: u32 },
    /// Nothing: the body's own end.
    Drop,
}

struct Item {
    start: usize,
    end: usize,
    edit: Edit,
    /// The price of the run that begins after this instruction.
    charge: u32,
    /// Whether that run begins a loop.
    check: bool,
}

/// The module is refused with these words.
pub(super) fn corrupt(error: &wasmparser::BinaryReaderError) -> ImageError {
    ImageError::Corrupt(format!("{} at offset {}", error.message(), error.offset()))
}

/// Writes the metered body, without its length. `params` and `results` are the function's, in bytes.
pub(super) fn rewrite(
    module: &[u8],
    body: &FunctionBody<'_>,
    context: &Context<'_>,
    params: u32,
    result_block: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), ImageError> {
    let range = body.range();
    if range.len() > BODY_BYTES_MAX {
        return Err(ImageError::TooLarge(format!("a function of {} bytes", range.len())));
    }
    let mut locals = params;
    for group in body.get_locals_reader().map_err(|e| corrupt(&e))? {
        locals = locals.saturating_add(group.map_err(|e| corrupt(&e))?.0);
    }
    if locals > LOCALS_MAX {
        return Err(ImageError::TooLarge(format!("a function of {locals} locals")));
    }
    let mut reader = body.get_operators_reader().map_err(|e| corrupt(&e))?;
    let code_start = reader.original_position();
    let mut items: Vec<Item> = Vec::new();
    let mut entry_charge = 2u32;
    let mut run: Option<usize> = None;
    let mut calls = false;
    let mut nesting = 0usize;
    while !reader.eof() {
        let start = reader.original_position();
        let operator = reader.read().map_err(|e| corrupt(&e))?;
        let end = reader.original_position();
        check_allowed(module.get(start..end).unwrap_or_default(), &operator)?;
        let mut item = Item { start, end, edit: Edit::Keep, charge: 0, check: false };
        let mut cost = 1;
        let mut begins = false;
        match &operator {
            Operator::Block { .. } => {
                nesting += 1;
                cost = 0;
            }
            Operator::Loop { .. } => {
                nesting += 1;
                begins = true;
                item.check = true;
                item.charge = 2;
            }
            Operator::If { .. } => {
                nesting += 1;
                begins = true;
            }
            Operator::Else => {
                begins = true;
                cost = 0;
            }
            Operator::End => {
                cost = 0;
                if nesting == 0 {
                    item.edit = Edit::Drop;
                } else {
                    nesting -= 1;
                    begins = true;
                }
            }
            Operator::Return => item.edit = Edit::Return { nesting: nesting as u32 },
            Operator::Call { function_index } => {
                calls = true;
                cost = 5;
                if *function_index < context.imports {
                    cost += HOST_CALL_COST;
                }
                if context.ending.contains(function_index) {
                    item.edit = Edit::LastCall;
                } else if let Some((_, shim)) = context.shims.iter().find(|(from, _)| from == function_index) {
                    item.edit = Edit::Call(*shim);
                }
            }
            Operator::CallIndirect { .. } => {
                calls = true;
                cost = 10;
            }
            Operator::MemorySize { .. } => item.edit = Edit::Size,
            Operator::MemoryGrow { .. } => item.edit = Edit::Call(context.grow),
            Operator::MemoryFill { .. } => item.edit = Edit::Call(context.fill),
            Operator::MemoryCopy { .. } => item.edit = Edit::Call(context.copy),
            Operator::I32DivS | Operator::I32DivU | Operator::I32RemS | Operator::I32RemU => cost = 4,
            Operator::I64DivS | Operator::I64DivU | Operator::I64RemS | Operator::I64RemU => cost = 8,
            Operator::F32Sqrt | Operator::F64Sqrt | Operator::F32Div | Operator::F64Div => cost = 4,
            Operator::Nop | Operator::Drop => cost = 0,
            _ => {}
        }
        if nesting > NESTING_MAX {
            return Err(ImageError::TooLarge("blocks nested too deep".to_owned()));
        }
        match run.and_then(|index| items.get_mut(index)) {
            Some(first) => first.charge = first.charge.saturating_add(cost),
            None => entry_charge = entry_charge.saturating_add(cost),
        }
        items.push(item);
        if begins {
            run = Some(items.len() - 1);
        }
    }
    reader.finish().map_err(|e| corrupt(&e))?;

    // The stack that one activation takes: its locals, a few operands, what every frame has.
    let operands = items.len().min(16) as i32;
    let frame = 48 + 8 * (locals as i32 + operands);
    let deep = calls || frame > 1_024;
    out.extend_from_slice(module.get(range.start..code_start).unwrap_or_default());
    charge(out, context.fuel, entry_charge);
    check_fuel(out, context.fuel);
    if deep {
        op::global_get(out, context.depth);
        op::i32_const(out, frame);
        out.push(op::I32_ADD);
        op::global_set(out, context.depth);
        op::global_get(out, context.depth);
        op::i32_const(out, STACK_BYTES_MAX);
        out.push(op::I32_GT_S);
        op::trap_if(out);
        out.push(op::BLOCK);
        out.extend_from_slice(result_block);
    }
    for item in &items {
        let original = module.get(item.start..item.end).unwrap_or_default();
        match item.edit {
            Edit::Keep => out.extend_from_slice(original),
            Edit::Call(function) => op::call(out, function),
            Edit::Size => op::global_get(out, context.pages),
            Edit::LastCall => {
                out.extend_from_slice(original);
                out.push(op::UNREACHABLE);
            }
            Edit::Return { nesting } if deep => {
                out.push(op::BR);
                unsigned(out, nesting);
            }
            Edit::Return { .. } => out.push(op::RETURN),
            Edit::Drop => {}
        }
        if item.charge > 0 {
            charge(out, context.fuel, item.charge);
        }
        if item.check {
            check_fuel(out, context.fuel);
        }
    }
    if deep {
        out.push(op::END);
        op::global_get(out, context.depth);
        op::i32_const(out, frame);
        out.push(op::I32_SUB);
        op::global_set(out, context.depth);
    }
    out.push(op::END);
    Ok(())
}

/// Takes fuel.
fn charge(out: &mut Vec<u8>, fuel: u32, amount: u32) {
    op::global_get(out, fuel);
    op::i32_const(out, amount.min(1 << 24) as i32);
    out.push(op::I32_SUB);
    op::global_set(out, fuel);
}

/// Traps without fuel.
fn check_fuel(out: &mut Vec<u8>, fuel: u32) {
    op::global_get(out, fuel);
    op::i32_const(out, 0);
    out.push(op::I32_LT_S);
    op::trap_if(out);
}

/// Refuses what lies beyond numbers, memory, tables that don't change, and vectors: threads, exceptions,
/// garbage collection, tail calls, several memories.
fn check_allowed(bytes: &[u8], operator: &Operator<'_>) -> Result<(), ImageError> {
    let first = bytes.first().copied().unwrap_or_default();
    let allowed = match first {
        0x00..=0x05 | 0x0b..=0x11 | 0x1a..=0x1c | 0x20..=0x25 | 0x28..=0xc4 | 0xd0..=0xd2 => true,
        0xfc => matches!(
            operator,
            Operator::I32TruncSatF32S
                | Operator::I32TruncSatF32U
                | Operator::I32TruncSatF64S
                | Operator::I32TruncSatF64U
                | Operator::I64TruncSatF32S
                | Operator::I64TruncSatF32U
                | Operator::I64TruncSatF64S
                | Operator::I64TruncSatF64U
                | Operator::MemoryFill { mem: 0 }
                | Operator::MemoryCopy { dst_mem: 0, src_mem: 0 }
                | Operator::TableSize { .. }
        ),
        // Vectors have one- and two-byte numbers; from 0x100 on they are the relaxed ones, whose results
        // differ between machines.
        0xfd => bytes.get(2).is_none_or(|second| *second < 0x02 || bytes.get(1).is_some_and(|b| b & 0x80 == 0)),
        _ => false,
    };
    let several = matches!(operator, Operator::MemoryGrow { mem } | Operator::MemorySize { mem } if *mem != 0);
    let typed = matches!(
        operator,
        Operator::Block { blockty: BlockType::Type(t) }
            | Operator::Loop { blockty: BlockType::Type(t) }
            | Operator::If { blockty: BlockType::Type(t) }
            if super::val_type(*t).is_none()
    );
    if !allowed || several || typed {
        return Err(ImageError::Unsupported(format!("instruction 0x{first:02x}")));
    }
    Ok(())
}
