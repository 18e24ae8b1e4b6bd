//! Header blocks: names and values, compressed over the whole of a connection with a dictionary that the protocol fixes.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Names and values.
pub type Headers = Vec<(String, String)>;

/// A block larger than this is refused.
const BLOCK_BYTES_MAX: usize = 64 << 10;

/// The words of the dictionary that come with their length before them.
const WORDS: &str = "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age \
    allow authorization cache-control connection content-base content-encoding content-language content-length \
    content-location content-md5 content-range content-type date etag expect expires from host if-match \
    if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma \
    proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade \
    user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie \
    keep-alive origin";

/// The rest of the dictionary.
const TEXT: &str = "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505\
    203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden\
    404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable\
    Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT\
    chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,\
    publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

/// The dictionary of SPDY/3.
fn dictionary() -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in WORDS.split_whitespace() {
        put(&mut bytes, &word.replace('_', " "));
    }
    bytes.extend_from_slice(TEXT.as_bytes());
    bytes
}

fn put(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&(text.len() as u32).to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

/// Reads the header blocks of one connection, in order.
pub struct Reader(Decompress);

impl Reader {
    pub fn new() -> Self {
        Reader(Decompress::new(true))
    }

    /// The headers of the next block; `None` if it can't be read.
    pub fn read(&mut self, block: &[u8]) -> Option<Headers> {
        parse(&self.inflate(block)?)
    }

    fn inflate(&mut self, block: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(4 << 10);
        let mut rest = block;
        loop {
            let (read, wrote) = (self.0.total_in(), out.len());
            let mut got_dictionary = false;
            match self.0.decompress_vec(rest, &mut out, FlushDecompress::Sync) {
                Ok(Status::Ok | Status::BufError) => {}
                Err(e) if e.needs_dictionary().is_some() => {
                    self.0.set_dictionary(&dictionary()).ok()?;
                    got_dictionary = true;
                }
                Ok(Status::StreamEnd) | Err(_) => return None,
            }
            rest = rest.get(usize::try_from(self.0.total_in() - read).ok()?..)?;
            if out.len() == out.capacity() {
                if out.len() >= BLOCK_BYTES_MAX {
                    return None;
                }
                out.reserve(out.len());
            } else if rest.is_empty() && !got_dictionary {
                return Some(out);
            } else if self.0.total_in() == read && out.len() == wrote && !got_dictionary {
                return None;
            }
        }
    }
}

/// The names and values of an uncompressed block.
fn parse(block: &[u8]) -> Option<Headers> {
    let mut rest = block;
    let mut headers = Headers::new();
    for _ in 0..number(&mut rest)? {
        let (name, value) = (text(&mut rest)?, text(&mut rest)?);
        headers.push((name, value));
    }
    Some(headers)
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    let (head, tail) = rest.split_first_chunk::<4>()?;
    *rest = tail;
    Some(u32::from_be_bytes(*head))
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(number(rest)?).ok()?;
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    String::from_utf8(head.to_vec()).ok()
}

/// Writes the header blocks of one connection, in order.
pub struct Writer(Compress);

impl Writer {
    pub fn new() -> Self {
        let mut compress = Compress::new(Compression::fast(), true);
        // It is set before anything was compressed, which cannot fail.
        let _ = compress.set_dictionary(&dictionary());
        Writer(compress)
    }

    /// The block of some headers.
    pub fn write(&mut self, headers: &Headers) -> Vec<u8> {
        let mut plain = Vec::new();
        plain.extend_from_slice(&(headers.len() as u32).to_be_bytes());
        for (name, value) in headers {
            put(&mut plain, name);
            put(&mut plain, value);
        }
        // Deflate never grows by as much as this.
        let mut out = Vec::with_capacity(plain.len() + 256);
        let _ = self.0.compress_vec(&plain, &mut out, FlushCompress::Sync);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dictionary_is_the_protocols() {
        let sum = dictionary().iter().fold((1u32, 0u32), |(a, b), byte| {
            let a = (a + u32::from(*byte)) % 65_521;
            (a, (b + a) % 65_521)
        });
        assert_eq!((dictionary().len(), sum.1 << 16 | sum.0), (1_423, 0xe3c6_a7c2));
    }

    #[test]
    fn blocks_are_read_as_they_were_written() {
        let (mut reader, mut writer) = (Reader::new(), Writer::new());
        let blocks: [&[(&str, &str)]; 4] = [
            &[("streamtype", "error"), ("port", "80"), ("requestid", "0")],
            &[],
            &[("streamtype", "data")],
            &[("", "")],
        ];
        for block in blocks {
            let headers: Headers = block.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            assert_eq!(reader.read(&writer.write(&headers)), Some(headers));
        }
        let long = vec![("x".to_owned(), "y".repeat(40_000))];
        assert_eq!(reader.read(&writer.write(&long)), Some(long));
        let bomb = vec![("x".to_owned(), "y".repeat(400_000))];
        let block = Writer::new().write(&bomb);
        assert_eq!(Reader::new().read(&block), None);
    }

    #[test]
    fn what_is_no_block_is_refused() {
        assert_eq!(Reader::new().read(b"not compressed at all"), None);
        assert_eq!(parse(&[0, 0, 0, 1, 0, 0, 0, 9]), None);
        assert_eq!(parse(&[0, 0, 0]), None);
        assert_eq!(parse(&u32::MAX.to_be_bytes()), None);
    }
}
