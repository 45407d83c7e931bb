// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/import/fact_sink.hpp"
#include "partition/import/line_reader.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace tessera::partition {

/// Reads N-Triples 1.1 (https://www.w3.org/TR/n-triples/), strictly: what the grammar does not allow is a bad line.
/// Entities and relations are IRIs without angle brackets, or blank nodes as `_:` + blank_scope + label. A triple with
/// a literal becomes an attribute; its datatype is the IRI, "@language" in lower case, or empty for xsd:string and
/// plain. A literal may hold any character, NUL too.
void read_ntriples(LineReader& lines, std::string_view blank_scope, FactSink& sink, bool quads = false);

/// Parses single statements; keeps the space for unescaped text from one to the next.
class NTriplesParser {
 public:
  enum class Kind { kNothing, kTriple, kAttribute, kError };

  /// With `quads`, a statement may have the name of a graph, which is left out: N-Quads 1.1.
  explicit NTriplesParser(std::string_view blank_scope, bool quads = false)
      : blank_scope_(blank_scope), quads_(quads) {}
  /// One statement, comment or blank line, without a line end inside.
  Kind parse(std::string_view statement);
  [[nodiscard]] std::string_view subject() const { return subject_; }
  [[nodiscard]] std::string_view predicate() const { return predicate_; }
  [[nodiscard]] std::string_view object() const { return object_; }      ///< entity or lexical value
  [[nodiscard]] std::string_view datatype() const { return datatype_; }  ///< as FactSink::attribute
  [[nodiscard]] const std::string& error() const { return error_; }      ///< "column 12: ..."

 private:
  bool parse_iri(std::string& scratch, std::string_view& out);
  bool unescape_iri(std::string_view raw, std::string& scratch);
  bool check_absolute(std::string_view iri);
  bool parse_blank(std::string& scratch, std::string_view& out);
  bool parse_subject();
  bool parse_object(bool& literal);
  bool parse_literal();
  bool unescape_literal(std::string_view raw);
  bool parse_suffix();
  bool parse_language();
  bool parse_end();
  bool parse_code_point(std::string_view raw, std::size_t& at, std::string& out);
  void skip_space();
  bool bad(const char* at, const char* reason);

  std::string_view blank_scope_;
  bool quads_;
  const char* start_ = nullptr;
  const char* at_ = nullptr;
  const char* end_ = nullptr;
  std::string_view subject_;
  std::string_view predicate_;
  std::string_view object_;
  std::string_view datatype_;
  std::string subject_text_;
  std::string predicate_text_;
  std::string object_text_;
  std::string datatype_text_;
  std::string graph_text_;
  std::string error_;
};

}  // namespace tessera::partition
