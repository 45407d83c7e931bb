// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/import/fact_sink.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::partition {

/// Names by id, 0, 1, ..., as OpenKE, LibKGE, PyKEEN and OGB list them: lines of an id and a name, or of a name and an
/// id, perhaps after a header or a line with their number. In memory.
class IdNames {
 public:
  /// Throws Error(kBadData) for ids that are not 0, 1, ..., for a name that two ids have, and for a file whose id
  /// column cannot be told. `ids_first`: of a file whose columns both look like ids.
  explicit IdNames(const std::string& path, bool ids_first = true);
  [[nodiscard]] std::uint64_t size() const { return names_.size(); }
  /// Null when `id` is none.
  [[nodiscard]] const std::string* find(std::string_view id) const;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::vector<std::string> names_;
};

/// Hands facts on, triples with names in place of ids.
class NamingSink final : public FactSink {
 public:
  /// A null list leaves ids as they are.
  NamingSink(const IdNames* entities, const IdNames* relations, FactSink& sink)
      : entities_(entities), relations_(relations), sink_(sink) {}
  void triple(std::string_view head, std::string_view relation, std::string_view tail, std::uint64_t line) override;
  void attribute(std::string_view entity, std::string_view attribute, std::string_view value, std::string_view datatype,
                 std::uint64_t line) override {
    sink_.attribute(entity, attribute, value, datatype, line);
  }
  void weight(float weight) override { sink_.weight(weight); }
  void bad_line(std::uint64_t line, const std::string& reason) override { sink_.bad_line(line, reason); }

 private:
  bool translate(const IdNames* names, std::string_view& name, std::uint64_t line);
  const IdNames* entities_;
  const IdNames* relations_;
  FactSink& sink_;
};

/// Takes all facts for attributes: what a file of attributes says in RDF is one, also where its object is an entity.
class AttributeSink final : public FactSink {
 public:
  explicit AttributeSink(FactSink& sink) : sink_(sink) {}
  void triple(std::string_view head, std::string_view relation, std::string_view tail, std::uint64_t line) override {
    sink_.attribute(head, relation, tail, {}, line);
  }
  void attribute(std::string_view entity, std::string_view attribute, std::string_view value, std::string_view datatype,
                 std::uint64_t line) override {
    sink_.attribute(entity, attribute, value, datatype, line);
  }
  void bad_line(std::uint64_t line, const std::string& reason) override { sink_.bad_line(line, reason); }

 private:
  FactSink& sink_;
};

}  // namespace tessera::partition
