//! The grammar of declarations (RFC 2774 §3):
//!
//! ```text
//! ext-decl      = <"> ( absoluteURI | field-name ) <"> [ namespace ] [ decl-extensions ]
//! namespace     = ";" "ns" "=" header-prefix
//! header-prefix = 2*DIGIT
//! decl-ext      = ";" token [ "=" ( token | quoted-string ) ]
//! ```

/// Whether a parameter is the header prefix.
pub(super) fn is_prefix(name: &str) -> bool {
    name.eq_ignore_ascii_case("ns")
}

/// An identifier and its parameters.
pub(super) type Parsed = (String, Vec<(String, Option<String>)>);

/// A description of the expected syntax, and the position at which it is missing.
type Error = (&'static str, usize);

/// How many declarations and parameters a request may still have. They stay in memory while the inner service works.
pub(super) struct Remaining {
    declarations: usize,
    parameters: usize,
}

impl Default for Remaining {
    fn default() -> Self {
        Self { declarations: 100, parameters: 100 }
    }
}

/// Takes one of `remaining`.
fn take_one(remaining: &mut usize, what: &'static str, position: usize) -> Result<(), Error> {
    *remaining = remaining.checked_sub(1).ok_or((what, position))?;
    Ok(())
}

/// Parses a list of declarations. Empty elements are ignored (RFC 9110 §5.6.1.2).
pub(super) fn parse_list(value: &[u8], remaining: &mut Remaining) -> Result<Vec<Parsed>, Error> {
    let mut input = Input { value, at: 0 };
    let mut declarations = Vec::new();
    loop {
        input.skip_white_space();
        match input.peek() {
            None => return Ok(declarations),
            Some(b',') => input.at += 1,
            Some(_) => {
                take_one(&mut remaining.declarations, "at most 100 declarations", input.at)?;
                declarations.push(input.declaration(&mut remaining.parameters)?);
                if !matches!(input.peek(), None | Some(b',')) {
                    return Err(input.expected("a semicolon, a comma, or the end"));
                }
            }
        }
    }
}

/// Whether `bytes` is an absolute URI or a field name.
pub(super) fn is_identifier(bytes: &[u8]) -> bool {
    match bytes.iter().position(|&byte| byte == b':') {
        None => !bytes.is_empty() && bytes.iter().all(|&byte| is_tchar(byte)),
        Some(colon) => {
            let (scheme, rest) = bytes.split_at(colon);
            scheme.first().is_some_and(u8::is_ascii_alphabetic)
                && scheme.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
                && rest.len() > 1
                && rest.iter().all(|&byte| is_uri(byte))
        }
    }
}

/// RFC 9110 §5.6.2.
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A character of a URI (RFC 3986 §2). It is not checked that two digits follow a percent sign.
fn is_uri(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)
}

struct Input<'a> {
    value: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn peek(&self) -> Option<u8> {
        self.value.get(self.at).copied()
    }

    fn expected(&self, what: &'static str) -> Error {
        (what, self.at)
    }

    fn skip_white_space(&mut self) {
        self.take_while(|byte| byte == b' ' || byte == b'\t');
    }

    fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = &self.value[self.at..];
        let length = rest.iter().position(|&byte| !accept(byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Takes `byte` and the white space around it, if it is next.
    fn take(&mut self, byte: u8) -> bool {
        let before = self.at;
        self.skip_white_space();
        if self.peek() == Some(byte) {
            self.at += 1;
            self.skip_white_space();
            true
        } else {
            self.at = before;
            false
        }
    }

    fn declaration(&mut self, remaining_parameters: &mut usize) -> Result<Parsed, Error> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("an extension identifier in quotation marks"));
        }
        self.at += 1;
        let start = self.at;
        let identifier = self.take_while(|byte| byte != b'"');
        if self.peek().is_none() {
            return Err(self.expected("the closing quotation mark"));
        }
        if !is_identifier(identifier) {
            return Err(("an absolute URI or a field name", start));
        }
        self.at += 1;
        let mut parameters: Vec<(String, Option<String>)> = Vec::new();
        while self.take(b';') {
            let start = self.at;
            take_one(remaining_parameters, "at most 100 parameters", start)?;
            let (name, value) = self.parameter()?;
            if is_prefix(&name) && parameters.iter().any(|(name, _)| is_prefix(name)) {
                return Err(("one header prefix only", start));
            }
            parameters.push((name, value));
        }
        self.skip_white_space();
        Ok((ascii(identifier), parameters))
    }

    fn parameter(&mut self) -> Result<(String, Option<String>), Error> {
        let name = ascii(self.token("the name of a parameter")?);
        if !self.take(b'=') {
            if is_prefix(&name) {
                return Err(self.expected("an equals sign and the header prefix"));
            }
            return Ok((name, None));
        }
        let value = match self.peek() {
            _ if is_prefix(&name) => self.header_prefix()?,
            Some(b'"') => self.quoted_string()?,
            _ => ascii(self.token("the value of a parameter")?),
        };
        Ok((name, Some(value)))
    }

    fn header_prefix(&mut self) -> Result<String, Error> {
        let start = self.at;
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        if digits.len() < 2 || self.peek().is_some_and(is_tchar) {
            return Err(("a header prefix of two or more digits", start));
        }
        Ok(ascii(digits))
    }

    fn token(&mut self, what: &'static str) -> Result<&'a [u8], Error> {
        let start = self.at;
        let token = self.take_while(is_tchar);
        match token {
            [] => Err((what, start)),
            token => Ok(token),
        }
    }

    /// A quoted string (RFC 9110 §5.6.4), limited to ASCII.
    fn quoted_string(&mut self) -> Result<String, Error> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let (byte, is_escaped) = match self.peek() {
                Some(b'\\') => {
                    self.at += 1;
                    (self.peek(), true)
                }
                byte => (byte, false),
            };
            match byte {
                None => return Err(self.expected("the closing quotation mark")),
                Some(b'"') if !is_escaped => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(byte @ (b'\t' | b' '..=b'~')) => {
                    text.push(char::from(byte));
                    self.at += 1;
                }
                Some(_) => {
                    return Err(self.expected("a visible ASCII character, a space, or a tab"));
                }
            }
        }
    }
}

/// Converts accepted bytes, which are all ASCII.
fn ascii(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}
