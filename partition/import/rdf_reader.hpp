// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/import/fact_sink.hpp"
#include "partition/import/input.hpp"
#include "partition/import/options.hpp"

#include <cstdint>
#include <string_view>

namespace tessera::partition {

/// Whether this build reads Turtle, TriG (libserd) and RDF/XML (libraptor2).
bool reads_rdf();

/// Reads Turtle, TriG or RDF/XML. Facts are those of read_ntriples(); the names of graphs are left out. Relative IRIs
/// are resolved against `file:///NAME`. `first` is what was read of `input` already. After an error nothing more of the
/// file can be understood: it is a bad line, and the rest of the file is left out. Returns how many lines there were.
/// Throws Error(kUsage) in a build that reads no RDF.
std::uint64_t read_rdf(Input& input, InputFormat format, std::string_view first, std::string_view blank_scope,
                       FactSink& sink);
/// The part of it for RDF/XML.
std::uint64_t read_rdf_xml(Input& input, std::string_view first, std::string_view blank_scope, FactSink& sink);

}  // namespace tessera::partition
