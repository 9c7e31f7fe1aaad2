// Package e2e tests the whole program from outside: through its listeners, through a browser, and
// through kill -9. It holds no code of the product.
package e2e
