//! The capture filter language of `-f`: the usual words of pcap-filter(7), compiled to classic BPF.
//!
//! In: the text of a filter and the link type of a capture. Out: a [`Program`] that the kernel takes as it is and that
//! [`Program::matches`] runs on the packets of a file; or a [`FilterError`] that underlines the word it does not
//! understand. Never: a look-up of names, a program that does not end, a panic on any text or program.
//!
//! ```
//! use rtcscope::net::filter::Filter;
//! use rtcscope::packet::LinkType;
//!
//! let filter = Filter::parse("udp port 3478 or 5349").unwrap();
//! let program = filter.compile(LinkType::ETHERNET).unwrap();
//! assert!(!program.matches(&[0; 60], 60));
//! println!("{}", Filter::parse("udp port sip").unwrap_err());
//! ```

#![forbid(unsafe_code)]

mod address;
mod condition;
mod emit;
mod error;
mod lexer;
mod machine;
mod parser;
mod primitive;
mod value;

pub use error::FilterError;
pub use machine::{Instruction, Program};

use crate::packet::LinkType;
use error::Span;
use primitive::Expression;

/// A filter that was understood, for any link type.
#[derive(Clone, Debug)]
pub struct Filter {
    text: String,
    expression: Expression,
}

impl Filter {
    /// Reads the text; an empty one lets every packet pass.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let expression = parser::parse(text)?;
        Ok(Self { text: text.to_owned(), expression })
    }

    /// The text as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The program for packets that begin as `link` says. An error where the link type is none of Ethernet, Linux
    /// cooked (both), raw IP and loopback, where it cannot have what the filter asks for (a VLAN tag), and where the
    /// program is longer than the kernel takes.
    pub fn compile(&self, link: LinkType) -> Result<Program, FilterError> {
        let condition = condition::build(&self.text, &self.expression, link)?;
        let instructions = emit::instructions(&condition).ok_or_else(|| {
            let message = format!("the filter needs more than {} instructions", machine::MAX_INSTRUCTIONS);
            FilterError::new(&self.text, Span::whole(&self.text), message)
        })?;
        Ok(Program::from_instructions(instructions))
    }
}

#[cfg(test)]
mod tests;
