// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "report/html.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

namespace tessera::report {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text::escaped(text)) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default:
        if (const auto byte = static_cast<unsigned char>(c); (byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f)
          out += fmt::format("\\x{:02x}", byte);
        else
          out += c;
    }
  }
  return out;
}

Html::Scope::~Scope() { html_->out_ += "</" + tag_ + ">"; }

void Html::begin(std::string_view tag, Attributes attributes) {
  out_ += '<';
  out_ += tag;
  for (const Attribute& attribute : attributes)
    out_ += fmt::format(" {}=\"{}\"", attribute.name, escaped(attribute.value));
}

Html::Scope Html::open(std::string_view tag, Attributes attributes) {
  begin(tag, attributes);
  out_ += '>';
  return {*this, tag};
}

void Html::element(std::string_view tag, std::string_view text, Attributes attributes) {
  const Scope scope = open(tag, attributes);
  out_ += escaped(text);
}

void Html::shape(std::string_view tag, Attributes attributes) {
  begin(tag, attributes);
  out_ += "/>";
}

}  // namespace tessera::report
