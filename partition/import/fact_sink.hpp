// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tessera::partition {

/// Receives the facts that readers find. The views are valid during the call only; `line` is for messages.
class FactSink {
 public:
  virtual ~FactSink() = default;
  virtual void triple(std::string_view head, std::string_view relation, std::string_view tail, std::uint64_t line) = 0;
  /// What the next triple weighs; a triple that nothing was said about weighs 1.
  virtual void weight(float /*weight*/) {}
  /// `datatype` is a datatype IRI, "@language", or empty for plain text.
  virtual void attribute(std::string_view entity, std::string_view attribute, std::string_view value,
                         std::string_view datatype, std::uint64_t line) = 0;
  /// A line of a table of entities; its attributes follow.
  virtual void entity(std::string_view /*name*/, std::uint64_t /*line*/) {}
  /// A line that cannot be understood: throws, or counts it and returns.
  virtual void bad_line(std::uint64_t line, const std::string& reason) = 0;
};

}  // namespace tessera::partition
