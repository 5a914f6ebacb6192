//! The libraries of functions as one value that never changes: look-up, replacing one, and what FUNCTION LIST and STATS reply.
//! Never: runs their code; what a library's code registers is given.

use super::store::{Library, LibraryFunction};
use crate::glob;
use crate::protocol::resp::Reply;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What names of libraries and functions are made of, in Redis' words.
pub const NAME_RULE: &str = "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";
/// Bytes of all libraries together.
const LIBRARIES_BYTES_MAX: usize = 64 << 20;
/// What a function is charged besides its texts.
const FUNCTION_BYTES: usize = 200;

/// Whether a library or a function may be called so.
pub fn is_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// The name in a library's first line, `#!lua name=NAME`. The error is the reply's text.
pub fn name_of(code: &[u8]) -> Result<&[u8], Vec<u8>> {
    let Some(line) = code.strip_prefix(b"#!") else {
        return Err(b"ERR Missing library metadata".to_vec());
    };
    let Some(end) = line.iter().position(|byte| *byte == b'\n') else {
        return Err(b"ERR Invalid library metadata".to_vec());
    };
    let mut words = line[..end].split(u8::is_ascii_whitespace);
    let engine = words.next().unwrap_or_default();
    let mut name = None;
    for word in words.filter(|word| !word.is_empty()) {
        match word.split_at_checked(5) {
            Some((key, value)) if key.eq_ignore_ascii_case(b"name=") => {
                if name.replace(value).is_some() {
                    return Err(
                        b"ERR Invalid metadata value, name argument was given multiple times"
                            .to_vec(),
                    );
                }
            }
            _ => return Err([b"ERR Invalid metadata value given: ", word].concat()),
        }
    }
    let Some(name) = name else {
        return Err(b"ERR Library name was not given".to_vec());
    };
    if !is_name(name) {
        return Err(format!("ERR {NAME_RULE}").into_bytes());
    }
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err([b"ERR Engine '", engine, b"' not found"].concat());
    }
    Ok(name)
}

/// See the module.
#[derive(Debug, Default, Clone)]
pub struct Functions {
    libraries: BTreeMap<Vec<u8>, Arc<Library>>,
    /// By their names in small letters: FCALL finds them however it is written.
    functions: HashMap<Vec<u8>, (Arc<Library>, usize)>,
    bytes: usize,
}

impl Functions {
    /// The library and the entry of a function.
    pub fn get(&self, name: &[u8]) -> Option<(&Arc<Library>, &LibraryFunction)> {
        let (library, index) = self.functions.get(&name.to_ascii_lowercase())?;
        Some((library, &library.functions[*index]))
    }

    /// Whether there is a library of this name.
    pub fn has_library(&self, name: &[u8]) -> bool {
        self.libraries.contains_key(name)
    }

    /// Whether the library with this number is among them.
    pub fn has_number(&self, number: u64) -> bool {
        self.libraries
            .values()
            .any(|library| library.number == number)
    }

    /// Number of libraries.
    pub fn libraries_len(&self) -> usize {
        self.libraries.len()
    }

    /// Number of functions.
    pub fn functions_len(&self) -> usize {
        self.functions.len()
    }

    /// Bytes that they take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts a library in, in place of one of its name if that is wanted. The error is the reply's text.
    pub fn add(&mut self, library: Library, replace: bool) -> Result<(), Vec<u8>> {
        if library.functions.is_empty() {
            return Err(b"ERR No functions registered".to_vec());
        }
        if self.libraries.contains_key(&library.name) && !replace {
            return Err([b"ERR Library '", &library.name[..], b"' already exists"].concat());
        }
        for function in &library.functions {
            if self
                .functions
                .get(&function.name.to_ascii_lowercase())
                .is_some_and(|(other, _)| other.name != library.name)
            {
                return Err([b"ERR Function ", &function.name[..], b" already exists"].concat());
            }
        }
        self.remove(&library.name);
        let bytes = bytes_of(&library);
        if self.bytes + bytes > LIBRARIES_BYTES_MAX {
            return Err(b"ERR the libraries take too much memory".to_vec());
        }
        self.bytes += bytes;
        let library = Arc::new(library);
        for (index, function) in library.functions.iter().enumerate() {
            self.functions
                .insert(function.name.to_ascii_lowercase(), (library.clone(), index));
        }
        self.libraries.insert(library.name.clone(), library);
        Ok(())
    }

    /// Takes a library out; false if there is none of that name.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let Some(library) = self.libraries.remove(name) else {
            return false;
        };
        for function in &library.functions {
            self.functions.remove(&function.name.to_ascii_lowercase());
        }
        self.bytes -= bytes_of(&library);
        true
    }

    /// The codes of all libraries, by name.
    pub fn codes(&self) -> impl Iterator<Item = &[u8]> {
        self.libraries.values().map(|library| &library.code[..])
    }

    /// The reply of FUNCTION LIST. Small and capital letters are alike in the pattern.
    pub fn list(&self, reply: &mut Reply, pattern: Option<&[u8]>, with_code: bool) {
        let pattern = pattern.map(<[u8]>::to_ascii_lowercase);
        let pattern = pattern.as_deref();
        let shown = || {
            self.libraries.values().filter(move |library| {
                let is_like = |pattern| glob::matches(pattern, &library.name.to_ascii_lowercase());
                pattern.is_none_or(is_like)
            })
        };
        reply.array(shown().count());
        for library in shown() {
            reply.map(if with_code { 4 } else { 3 });
            reply.bulk(b"library_name");
            reply.bulk(&library.name);
            reply.bulk(b"engine");
            reply.bulk(b"LUA");
            reply.bulk(b"functions");
            reply.array(library.functions.len());
            for function in &library.functions {
                reply.map(3);
                reply.bulk(b"name");
                reply.bulk(&function.name);
                reply.bulk(b"description");
                match &function.description {
                    Some(text) => reply.bulk(text),
                    None => reply.null(),
                }
                reply.bulk(b"flags");
                reply.set(function.flags.names().count());
                for flag in function.flags.names() {
                    reply.simple(flag);
                }
            }
            if with_code {
                reply.bulk(b"library_code");
                reply.bulk(&library.code);
            }
        }
    }

    /// The reply of FUNCTION STATS. What runs: the function's name, the words of its command, milliseconds since it was started.
    pub fn stats<'a>(
        &self,
        reply: &mut Reply,
        running: Option<(&[u8], impl ExactSizeIterator<Item = &'a [u8]>, u64)>,
    ) {
        reply.map(2);
        reply.bulk(b"running_script");
        match running {
            None => reply.null(),
            Some((name, words, duration_ms)) => {
                reply.map(3);
                reply.bulk(b"name");
                reply.bulk(name);
                reply.bulk(b"command");
                reply.array(words.len());
                for word in words {
                    reply.bulk(word);
                }
                reply.bulk(b"duration_ms");
                reply.integer(duration_ms as i64);
            }
        }
        reply.bulk(b"engines");
        reply.map(1);
        reply.bulk(b"LUA");
        reply.map(2);
        reply.bulk(b"libraries_count");
        reply.integer(self.libraries.len() as i64);
        reply.bulk(b"functions_count");
        reply.integer(self.functions.len() as i64);
    }
}

fn bytes_of(library: &Library) -> usize {
    let functions: usize = library
        .functions
        .iter()
        .map(|function| {
            FUNCTION_BYTES
                + 2 * function.name.len()
                + function.description.as_ref().map_or(0, Vec::len)
        })
        .sum();
    FUNCTION_BYTES + library.name.len() + library.code.len() + functions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines_of_libraries() {
        assert_eq!(name_of(b"#!lua name=abc\nx"), Ok(&b"abc"[..]));
        for (code, text) in [
            ("x", "ERR Missing library metadata"),
            ("#!lua name=x", "ERR Invalid library metadata"),
            ("#!lua\n", "ERR Library name was not given"),
            (
                "#!lua name=a b=c\n",
                "ERR Invalid metadata value given: b=c",
            ),
            ("#!js name=x\n", "ERR Engine 'js' not found"),
            (
                "#!lua name=a name=b\n",
                "ERR Invalid metadata value, name argument was given multiple times",
            ),
            ("#!lua name=a-b\n", &format!("ERR {NAME_RULE}")),
        ] {
            assert_eq!(
                name_of(code.as_bytes()),
                Err(text.as_bytes().to_vec()),
                "{code}"
            );
        }
    }
}
