// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/error.hpp"
#include "partition/import/format_guess.hpp"
#include "partition/import/rdf_reader.hpp"

namespace tessera::partition {

bool reads_rdf() { return false; }

std::uint64_t read_rdf(Input& input, InputFormat format, std::string_view /*first*/, std::string_view /*blank_scope*/,
                       FactSink& /*sink*/) {
  fail(
      ExitStatus::kUsage,
      "{}: this is {}, which this build does not read (it was made with TESSERA_RDF=OFF); turn it into N-Triples first "
      "(riot --output=ntriples FILE | tessera import -, or rapper -o ntriples); --format text reads columns",
      input.name(), format_name(format));
}

}  // namespace tessera::partition
