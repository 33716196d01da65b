import { Hub } from './hub.js';

// The worker's name is the server it works for: pages with another `?api=` have a worker of their own.
const hub = new Hub(self.name);
self.onconnect = ({ ports: [port] }) => hub.attach(port);
