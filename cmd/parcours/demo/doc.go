// Package demo owns what parcours demo prints: the tables that an analyst of a retailer asks for, answered by
// ClickHouse, and how well the customers found agree with who is really who. It reads only.
package demo
