// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/option_checks.hpp"
#include "cli/run_context.hpp"
#include "core/error.hpp"
#include "core/text.hpp"
#include "partition/import/import.hpp"

#include <cstdio>
#include <map>
#include <memory>
#include <string>

namespace tessera::cli {
namespace {

using partition::ImportOptions;
using partition::InputFormat;
using partition::Separator;

struct Options {
  ImportOptions import;
  std::string output;
  bool header = false;
  bool no_header = false;
};

const std::map<std::string, InputFormat> kFormats = {
    {"auto", InputFormat::kAuto},     {"text", InputFormat::kText},      {"ntriples", InputFormat::kNTriples},
    {"nquads", InputFormat::kNQuads}, {"turtle", InputFormat::kTurtle},  {"trig", InputFormat::kTriG},
    {"rdfxml", InputFormat::kRdfXml}, {"wordnet", InputFormat::kWordNet}};
const std::map<std::string, Separator> kSeparators = {{"auto", Separator::kAuto},
                                                      {"tab", Separator::kTab},
                                                      {"comma", Separator::kComma},
                                                      {"semicolon", Separator::kSemicolon},
                                                      {"space", Separator::kSpace}};

void print_count(const char* what, std::uint64_t value) {
  if (value > 0) std::printf("%-24s %s\n", what, text::with_thousands(value).c_str());
}

void import(const Options& options) {
  const partition::ImportCounts counts = partition::import_graph(options.import, options.output);
  std::printf("%-24s %s\n", "graph", options.output.c_str());
  print_count("lines", counts.lines);
  print_count("triples read", counts.triples_read);
  print_count("duplicates dropped", counts.duplicates - counts.weights_added);
  print_count("repeated, weights added", counts.weights_added);
  print_count("in several splits", counts.in_several_splits);
  print_count("bad lines skipped", counts.bad_lines);
  print_count("unseen entities kept", counts.unseen_entities);
  print_count("unseen relations kept", counts.unseen_relations);
  print_count("entities in tables", counts.table_rows - counts.table_repeats);
  print_count("of these in no triple", counts.table_isolated);
  print_count("attribute values", counts.attributes);
  if (counts.weights)
    std::printf("%-24s %g to %g, mean %g\n", "weights", counts.weights->least, counts.weights->most,
                counts.weights->mean);
}

void add_inputs(const Parser& parser, Options& options) {
  ImportOptions& import = options.import;
  parser.add(
      "inputs", import.inputs,
      "Files with triples, split at random; '-' is standard input; gzip and zstd are recognised; folders: WordNet, "
      "or a data set of OpenKE, LibKGE or PyKEEN");
  parser.add("-o,--output", options.output, "The graph folder to make, for example data.kg")
      .check(not_empty())
      .required();
  parser.add("--train", import.train, "Files of the training split");
  parser.add("--valid", import.valid, "Files of the validation split");
  parser.add("--test", import.test, "Files of the test split");
  parser.add("--attributes", import.attributes, "Files with entity, attribute, value, or RDF");
  parser.add("--entities", import.entities, "Tables of entities, CSV or TSV: needs --id").type_name("FILE");
  parser.add("--entity-names", import.entity_names, "Triples have ids: a file with an id and an entity in each line")
      .type_name("FILE");
  parser.add("--relation-names", import.relation_names, "Likewise of relations").type_name("FILE");
}

void add_columns(const Parser& parser, Options& options) {
  partition::TripleColumns& triples = options.import.triple_columns;
  partition::NodeColumns& nodes = options.import.node_columns;
  const auto column = [&](const char* option, std::string& value, const char* description) {
    parser.add(option, value, description).type_name("COLUMN");
  };
  column("--head", triples.head, "Column of the heads in a table of triples: a name of its header, or a number from 1");
  column("--relation", triples.relation, "Column of the relations, by name or number");
  column("--tail", triples.tail, "Likewise of the tails");
  parser.add("--relation-name", triples.relation_name, "The relation of all triples, where no column has it")
      .type_name("NAME");
  parser.add("--head-prefix", triples.head_prefix, "Text to put before each head").type_name("TEXT");
  parser.add("--tail-prefix", triples.tail_prefix, "Text to put before each tail").type_name("TEXT");
  column("--weight", triples.weight, "Likewise of weights, 0 or above: each scales the loss of its training triple");
  column("--id", nodes.id, "Of --entities: the column with the names that the triples have");
  column("--type", nodes.type, "Of --entities: becomes the attribute 'type'");
  column("--label", nodes.label, "Of --entities: becomes the attribute 'label'; an entity has one at most");
  parser
      .add("--attribute-columns", nodes.attributes,
           "Of --entities: columns that become attributes of their names, with commas; without --type, --label and "
           "this option all do")
      .cut_at(',')
      .type_name("COLUMN");
  parser.add("--id-prefix", nodes.id_prefix, "Text to put before each id of --entities").type_name("TEXT");
}

void add_formats(const Parser& parser, Options& options) {
  ImportOptions& import = options.import;
  parser.add_choice("--format", import.format, kFormats,
                    "auto, text, ntriples, nquads, turtle, trig, rdfxml or wordnet; auto decides for each file");
  parser.add_choice("--separator", import.separator, kSeparators,
                    "Of text columns: auto, tab, comma, semicolon or space; auto decides for each file");
  parser.add("--columns", import.columns,
             "Order of three columns: a permutation of hrt (default: hrt, or what a header says)");
  parser.add_flag("--header", options.header, "The first line of each text file is no triple");
  parser.add_flag("--no-header", options.no_header,
                  "The first line is a triple (default: a line that names the columns is a header)");
  parser.add_flag("--trim", import.trim, "Take blanks off both ends of each field of text");
}

void add_rules(const Parser& parser, Options& options) {
  ImportOptions& import = options.import;
  parser.add("--valid-fraction", import.valid_fraction, "Share of the triples that go to the valid split, at random")
      .show_default();
  parser.add("--test-fraction", import.test_fraction, "Share of the triples that go to the test split, at random")
      .show_default();
  parser.add("--seed", import.seed, "Of the random splits").check(whole_number(0)).show_default();
  parser.add_flag("--allow-unseen", import.allow_unseen,
                  "Keep given valid and test triples whose entities or relations are not in train");
  parser.add_flag("--skip-bad-lines", import.skip_bad_lines, "Count and report malformed lines instead of stopping");
  parser.add_flag("--keep-isolated", import.keep_isolated,
                  "Keep entities that have attributes, or a line in --entities, but no triple");
  parser.add("--memory", import.memory, "Bytes that may be used, as 4GiB (default: what the machine has)");
  parser.add("--temporary-folder", import.temporary_folder, "For spilled records; default: beside the output");
}

}  // namespace

Command add_import(const Parser& parser) {
  const auto options = std::make_shared<Options>();
  add_inputs(parser, *options);
  add_columns(parser, *options);
  add_formats(parser, *options);
  add_rules(parser, *options);
  parser.epilogue(
      "Examples:\n"
      "  tessera import triples.tsv -o data.kg\n"
      "  tessera import edges.csv --head x_id --relation relation --tail y_id -o data.kg\n"
      "  tessera import edges.csv --head 1 --tail 2 --relation-name cites \\\n"
      "      --entities nodes.csv --id id --type type --label name -o data.kg\n"
      "  tessera import OpenKE/benchmarks/FB15K237 -o data.kg\n");
  return {[options](comm::Communicator& comm) {
            if (options->header && options->no_header) fail(ExitStatus::kUsage, "give either --header or --no-header");
            if (options->header) options->import.header = partition::Header::kYes;
            if (options->no_header) options->import.header = partition::Header::kNo;
            options->import.threads = thread_count({}, comm);
            import(*options);
          },
          false};
}

}  // namespace tessera::cli
