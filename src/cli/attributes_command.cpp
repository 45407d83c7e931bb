// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "attributes/table.hpp"
#include "cli/command.hpp"
#include "core/error.hpp"
#include "graph/graph_reader.hpp"
#include "predict/graph_names.hpp"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>
#include <string>

namespace tessera::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string graph;
  std::string entity;
  bool json = false;
};

void print_value(const std::string& attribute, const std::string& value, const std::string& datatype) {
  std::printf("%s\t%s%s%s\n", attribute.c_str(), value.c_str(), datatype.empty() ? "" : "\t", datatype.c_str());
}

void print_entity(const Options& options) {
  const graph::GraphReader reader(options.graph);
  const predict::GraphNames names(options.graph, reader);
  const std::uint64_t entity = names.find_entity(options.entity, {"--entity", ExitStatus::kUsage});
  const attributes::Table table(reader.file(), reader.entity_count());
  Json out = {{"entity", names.entity(entity)}, {"attributes", Json::object()}};
  for (std::size_t k = 0; k < table.schema().size(); ++k) {
    const attributes::Column& column = table.column(k);
    const attributes::ValueRange range = column.find(entity);
    for (std::uint64_t i = range.first; i < range.end; ++i) {
      const std::string& datatype = table.datatypes().at(column.datatype(i));
      if (!options.json) print_value(table.schema().names[k], column.text(i), datatype);
      out["attributes"][table.schema().names[k]].push_back({{"value", column.text(i)}, {"datatype", datatype}});
    }
  }
  if (options.json) std::printf("%s\n", out.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
}

}  // namespace

Command add_attributes(const Parser& parser) {
  const auto options = std::make_shared<Options>();
  parser.add("graph", options->graph, "The graph folder").required();
  parser
      .add("--entity", options->entity,
           "The entity, by name or label, whose attributes are printed: attribute, value, datatype or @language")
      .required()
      .type_name("NAME");
  parser.add_flag("--json", options->json, "Print JSON");
  parser.epilogue("'tessera info GRAPH' lists all attributes with their types.\n");
  return {[options](comm::Communicator& /*comm*/) { print_entity(*options); }, false};
}

}  // namespace tessera::cli
