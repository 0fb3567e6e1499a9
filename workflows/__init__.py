"""The Nipype graphs: nodes, edges, return."""
