// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::report {

/// `text` for HTML: markup characters become entities; bytes that are not UTF-8 and control characters become \xHH.
std::string escaped(std::string_view text);

/// An attribute of an element; its value is escaped.
struct Attribute {
  std::string_view name;
  std::string value;
};
using Attributes = std::initializer_list<Attribute>;

/// Writes HTML and SVG. All text and all values of attributes are escaped here, and nowhere else.
class Html {
 public:
  /// An open element; it is closed with this object.
  class Scope {
   public:
    Scope(Html& html, std::string_view tag) : html_(&html), tag_(tag) {}
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Html* html_;
    std::string tag_;
  };

  [[nodiscard]] Scope open(std::string_view tag, Attributes attributes = {});
  /// An element with text alone.
  void element(std::string_view tag, std::string_view text, Attributes attributes = {});
  /// An element without content: HTML's void ones, and shapes of SVG.
  void shape(std::string_view tag, Attributes attributes);
  void text(std::string_view text) { out_ += escaped(text); }
  /// The only way around the escaping: for constants of this program.
  void constant(const char* markup) { out_ += markup; }
  [[nodiscard]] const std::string& str() const { return out_; }

 private:
  void begin(std::string_view tag, Attributes attributes);
  std::string out_;
};

}  // namespace tessera::report
