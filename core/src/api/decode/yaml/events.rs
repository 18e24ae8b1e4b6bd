//! YAML events from libyaml's Rust translation, of which go-yaml is a translation too: the same grammar, the same texts.
//! The one place with `unsafe` in the object model: libyaml's calls, behind an iterator.

use std::ffi::CStr;
use std::mem::MaybeUninit;

use unsafe_libyaml as unsafe_yaml;

/// What the parser saw.
#[derive(Debug)]
pub(super) enum Event {
    SequenceStart {
        anchor: Option<String>,
    },
    MappingStart {
        anchor: Option<String>,
    },
    ContainerEnd,
    Scalar {
        value: String,
        tag: Option<String>,
        plain: bool,
        anchor: Option<String>,
    },
    Alias {
        anchor: String,
    },
    /// The stream or a document begins.
    Other,
    /// The stream or a document ends.
    End,
}

/// The events of one text.
pub(super) struct Events<'a> {
    parser: Box<MaybeUninit<unsafe_yaml::yaml_parser_t>>,
    ready: bool,
    _input: &'a [u8],
}

unsafe fn text(p: *const u8) -> Option<String> {
    if p.is_null() {
        return None;
    }
    // SAFETY: libyaml's anchors and tags end in a NUL and live as long as their event.
    Some(unsafe { CStr::from_ptr(p.cast()) }.to_string_lossy().into_owned())
}

impl<'a> Events<'a> {
    pub(super) fn new(input: &'a [u8]) -> Self {
        let mut parser = Box::new(MaybeUninit::<unsafe_yaml::yaml_parser_t>::uninit());
        // SAFETY: initialize fills the parser, which is boxed and so doesn't move; the input outlives it by 'a.
        let ready = unsafe {
            let p = parser.as_mut_ptr();
            let ok = unsafe_yaml::yaml_parser_initialize(p).ok;
            if ok {
                unsafe_yaml::yaml_parser_set_input_string(p, input.as_ptr(), input.len() as u64);
            }
            ok
        };
        Events { parser, ready, _input: input }
    }

    /// The next event and the line it begins in, counted from 1; or go-yaml's complaint.
    pub(super) fn next(&mut self) -> Result<(Event, usize), String> {
        if !self.ready {
            return Err("unknown problem parsing YAML content".to_owned());
        }
        let mut event = MaybeUninit::<unsafe_yaml::yaml_event_t>::uninit();
        // SAFETY: the parser is initialized; parse fills the event if it succeeds, and its union is read as its type says;
        // the event is deleted once, after all that it holds is copied.
        unsafe {
            if unsafe_yaml::yaml_parser_parse(self.parser.as_mut_ptr(), event.as_mut_ptr()).fail {
                return Err(self.complaint());
            }
            let e = event.assume_init_mut();
            let line = e.start_mark.line as usize + 1;
            let seen = match e.type_ {
                unsafe_yaml::YAML_SEQUENCE_START_EVENT => {
                    Event::SequenceStart { anchor: text(e.data.sequence_start.anchor) }
                }
                unsafe_yaml::YAML_MAPPING_START_EVENT => {
                    Event::MappingStart { anchor: text(e.data.mapping_start.anchor) }
                }
                unsafe_yaml::YAML_SEQUENCE_END_EVENT | unsafe_yaml::YAML_MAPPING_END_EVENT => Event::ContainerEnd,
                unsafe_yaml::YAML_ALIAS_EVENT => Event::Alias { anchor: text(e.data.alias.anchor).unwrap_or_default() },
                unsafe_yaml::YAML_SCALAR_EVENT => {
                    let s = &e.data.scalar;
                    let bytes =
                        if s.value.is_null() { &[] } else { std::slice::from_raw_parts(s.value, s.length as usize) };
                    Event::Scalar {
                        value: String::from_utf8_lossy(bytes).into_owned(),
                        tag: text(s.tag),
                        plain: s.style == unsafe_yaml::YAML_PLAIN_SCALAR_STYLE,
                        anchor: text(s.anchor),
                    }
                }
                unsafe_yaml::YAML_STREAM_END_EVENT | unsafe_yaml::YAML_DOCUMENT_END_EVENT => Event::End,
                _ => Event::Other,
            };
            unsafe_yaml::yaml_event_delete(e);
            Ok((seen, line))
        }
    }

    /// go-yaml's `parser.fail`: lines count from 0, but for the scanner's, which it mends.
    fn complaint(&self) -> String {
        // SAFETY: a parser that failed keeps its error, whose texts are static.
        unsafe {
            let p = self.parser.assume_init_ref();
            let reader = p.error == unsafe_yaml::YAML_READER_ERROR;
            let mut line = 0;
            if !reader && p.problem_mark.line != 0 {
                line = p.problem_mark.line + u64::from(p.error == unsafe_yaml::YAML_SCANNER_ERROR);
            } else if !reader && p.context_mark.line != 0 {
                line = p.context_mark.line;
            }
            let problem = text(p.problem.cast()).unwrap_or_else(|| "unknown problem parsing YAML content".to_owned());
            if line != 0 { format!("line {line}: {problem}") } else { problem }
        }
    }
}

impl Drop for Events<'_> {
    fn drop(&mut self) {
        if self.ready {
            // SAFETY: initialized, and deleted here alone.
            unsafe { unsafe_yaml::yaml_parser_delete(self.parser.as_mut_ptr()) }
        }
    }
}
